/*
 * Links a module of Linux 2.2 or 2.4 as modutils' insmod does: lays it out, resolves its symbols against the
 * kernel's and other modules', relocates it for the address that the kernel gave, and sets its parameters.
 * Pure: what it needs of the kernel is passed in, so that it runs (and is tested) anywhere.
 */
#ifndef KILN_LINK_H
#define KILN_LINK_H

#include "object.h"

enum { MAX_TABLES = 64, MODULE_NAME_SIZE = 60 };

/* What the kernel or one module exports, as query_module(QM_SYMBOLS) gives it. */
struct symbol_table {
  /* Pairs of a value and the offset of a name from the start of this buffer, then the names. */
  const u8 *bytes;
  u32 size;
  u32 count;
  /* The module's struct module in the kernel; 0 for the kernel itself. */
  u32 module;
};

struct module_link {
  struct object object;
  /* The module's name: its file's without the ending. */
  char name[MODULE_NAME_SIZE];
  /* Blank-separated name=value words for the module's parameters. */
  const char *parameters;
  /* The kernel's symbols come first, then those of modules in the order in which they are searched last. */
  const struct symbol_table *tables;
  u32 table_count;
  /* `uname -r`, and whether the kernel's symbols carry versions (CONFIG_MODVERSIONS). */
  const char *release;
  int kernel_has_versions;

  /* Set by link_layout: bytes that create_module must be asked for. */
  u32 size;
  /* Set by link_layout: where parts of the module are, from its start. */
  u32 *section_offsets;
  u32 common, strings, names, exports, export_count, dependencies;
  u32 string_end;

  /* Set by link_finish: the module as init_module wants it, `size` bytes. */
  u8 *image;
  u32 base;
};

/* Whether the licence is one of those that don't taint the kernel (linux/module.h). */
int licence_is_free(const char *licence);

/* Checks that the module was built for this release, and lays it out. 0, or -1 with the reason in `fault`. */
int link_layout(struct module_link *link, struct line *fault);

/* Links it for the address `base` into `image`. 0, or -1 with the reason in `fault`. */
int link_finish(struct module_link *link, u8 *image, u32 base, struct line *fault);

void link_free(struct module_link *link);

/* The address of a symbol of the object's own, once there is a layout; 0 when it has none. */
u32 link_symbol_address(const struct module_link *link, u32 index);

/* Whether two names of symbols are the same when a version (`_R` and eight hexadecimal digits) is left out. */
int same_but_for_version(const char *left, const char *right);

/* parameters.c: sets one parameter after the other in the image. 0, or -1 with the reason in `fault`. */
int link_parameters(struct module_link *link, struct line *fault);

#endif
