/* The types and small helpers that every file here uses; nothing in it asks the kernel for anything. */
#ifndef KILN_TYPES_H
#define KILN_TYPES_H

#define NULL ((void *)0)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef __SIZE_TYPE__ size_t;

/* Numbers in files and packets: of any alignment, in the order of bytes that the name says. */
static inline u16 get_le16(const u8 *at) { return (u16)(at[0] | at[1] << 8); }
static inline u32 get_le32(const u8 *at) { return get_le16(at) | (u32)get_le16(at + 2) << 16; }
static inline u32 get_be32(const u8 *at) { return (u32)at[0] << 24 | (u32)at[1] << 16 | (u32)at[2] << 8 | at[3]; }

static inline void put_le32(u8 *at, u32 value)
{
  at[0] = (u8)value;
  at[1] = (u8)(value >> 8);
  at[2] = (u8)(value >> 16);
  at[3] = (u8)(value >> 24);
}

static inline void put_be16(u8 *at, u32 value)
{
  at[0] = (u8)(value >> 8);
  at[1] = (u8)value;
}

static inline void put_be32(u8 *at, u32 value)
{
  put_be16(at, value >> 16);
  put_be16(at + 2, value);
}

#endif
