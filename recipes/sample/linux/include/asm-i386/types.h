/* Integers of known width on the i386. */
#ifndef _ASM_I386_TYPES_H
#define _ASM_I386_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned int size_t;

#endif
