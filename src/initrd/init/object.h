/* A module's file: an ELF object, checked once when it is opened, so that nothing after that can run out of it. */
#ifndef KILN_OBJECT_H
#define KILN_OBJECT_H

#include "elf.h"
#include "text.h"

struct object {
  const u8 *bytes;
  u32 size;
  u32 section_headers;
  u32 section_count;
  u32 name_section;
  /* The symbol table's section and its count of symbols; without one there are none. */
  u32 symbol_section;
  u32 symbol_count;
};

/* 0, or -1 with what is wrong with the file in `fault`. */
int object_open(struct object *object, const u8 *bytes, u32 size, struct line *fault);

/* The section of that index, which is below section_count. */
struct elf_section object_section(const struct object *object, u32 index);
const char *object_section_name(const struct object *object, u32 index);
/* The index of the section of that name, or 0. */
u32 object_find_section(const struct object *object, const char *name);

/* The symbol of that index, which is below symbol_count. */
struct elf_symbol object_symbol(const struct object *object, u32 index);
const char *object_symbol_name(const struct object *object, const struct elf_symbol *symbol);
/* Finds a symbol that the object itself defines; its index, or 0. */
u32 object_find_symbol(const struct object *object, const char *name);

/* The value of `key=` in the .modinfo section (linux/module.h), or NULL. `key` is given with its length. */
const char *object_modinfo(const struct object *object, const char *key);

#endif
