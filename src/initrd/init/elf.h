/* ELF for the i386: relocatable objects, as the System V ABI has them. */
#ifndef KILN_ELF_H
#define KILN_ELF_H

#include "types.h"

enum { ELF_CLASS_32 = 1, ELF_LITTLE_ENDIAN = 1, ET_REL = 1, EM_386 = 3, EM_486 = 6 };
enum { SHT_PROGBITS = 1, SHT_SYMTAB = 2, SHT_RELA = 4, SHT_NOBITS = 8, SHT_REL = 9 };
enum { SHF_ALLOC = 2 };
enum { SHN_UNDEF = 0, SHN_LORESERVE = 0xff00, SHN_ABS = 0xfff1, SHN_COMMON = 0xfff2 };
enum { STB_LOCAL = 0, STB_GLOBAL = 1, STB_WEAK = 2, STT_SECTION = 3, STT_FILE = 4 };
enum { R_386_NONE = 0, R_386_32 = 1, R_386_PC32 = 2, R_386_PLT32 = 4 };

struct elf_header {
  u8 ident[16];
  u16 type;
  u16 machine;
  u32 version;
  u32 entry;
  u32 program_headers;
  u32 section_headers;
  u32 flags;
  u16 header_size;
  u16 program_header_size;
  u16 program_header_count;
  u16 section_header_size;
  u16 section_count;
  u16 name_section;
};

struct elf_section {
  u32 name;
  u32 type;
  u32 flags;
  u32 address;
  u32 offset;
  u32 size;
  u32 link;
  u32 info;
  u32 alignment;
  u32 entry_size;
};

struct elf_symbol {
  u32 name;
  u32 value;
  u32 size;
  u8 info;
  u8 other;
  u16 section;
};

struct elf_relocation {
  u32 offset;
  u32 info;
};

#endif
