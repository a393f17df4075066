#include "link.h"
#include "memory.h"

enum { MAX_IMAGE = 16 << 20 };

/* struct module (linux/module.h) as 2.4 has it; 2.2's is the start of it, and takes the larger one. */
enum {
  MODULE_STRUCT_SIZE = 0,
  MODULE_NAME = 8,
  MODULE_IMAGE_SIZE = 12,
  MODULE_SYMBOL_COUNT = 24,
  MODULE_DEPENDENCY_COUNT = 28,
  MODULE_SYMBOLS = 32,
  MODULE_DEPENDENCIES = 36,
  MODULE_INIT = 44,
  MODULE_CLEANUP = 48,
  MODULE_EXCEPTIONS = 52,
  MODULE_EXCEPTIONS_END = 56,
  MODULE_ARCHDATA = 84,
  MODULE_ARCHDATA_END = 88,
  MODULE_HEADER = 96
};

/* struct module_symbol: a value and a name; struct module_ref: what is used, by whom, and the next one. */
enum { EXPORT_SIZE = 8, REFERENCE_SIZE = 12 };

int licence_is_free(const char *licence)
{
  static const char *const free_licences[] = {"GPL",          "GPL v2",       "GPL and additional rights",
                                              "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"};
  for (size_t index = 0; index < sizeof free_licences / sizeof free_licences[0]; index++)
    if (licence != NULL && text_equal(licence, free_licences[index])) return 1;
  return 0;
}

/* The length of a symbol's name without its version. */
static size_t unversioned_length(const char *name)
{
  size_t length = text_length(name);
  if (length < 10) return length;
  /* _R, possibly a prefix for SMP or large memory (smp_, 2gig_, smp2gig_), and eight digits. */
  for (size_t digit = length - 8; digit < length; digit++) {
    char character = name[digit];
    if (!((character >= '0' && character <= '9') || (character >= 'a' && character <= 'f'))) return length;
  }
  for (size_t at = length - 9; at > 0 && at + 24 > length; at--)
    if (name[at] == 'R' && name[at - 1] == '_') return at - 1;
  return length;
}

int same_but_for_version(const char *left, const char *right)
{
  size_t length = unversioned_length(left);
  return length == unversioned_length(right) && memcmp(left, right, length) == 0;
}

static u32 align(u32 offset, u32 alignment)
{
  return alignment < 2 ? offset : (offset + alignment - 1) & ~(alignment - 1);
}

/* Room for a part of the image; -1 when that would make the image absurdly large. */
static int reserve(struct module_link *link, u32 alignment, u32 size, u32 *offset)
{
  *offset = align(link->size, alignment);
  if (size > MAX_IMAGE || *offset > MAX_IMAGE - size) return -1;
  link->size = *offset + size;
  return 0;
}

static int check_release(const struct module_link *link, struct line *fault)
{
  const char *built_for = object_modinfo(&link->object, "kernel_version");
  const char *versions = object_modinfo(&link->object, "using_checksums");
  int has_versions = versions != NULL && text_equal(versions, "1");
  if (built_for == NULL) {
    line_text(fault, "it has no kernel_version: it is no module of Linux 2.2 or 2.4");
    return -1;
  }
  /* Where both sides have versions on their symbols, those decide. */
  if ((has_versions && link->kernel_has_versions) || text_equal(built_for, link->release)) return 0;
  line_text(fault, "it was built for kernel ");
  line_text(fault, built_for);
  line_text(fault, ", and this is ");
  line_text(fault, link->release);
  line_text(fault, ": the initrd and the kernel are not of one build");
  return -1;
}

static int is_loaded_section(const struct module_link *link, u32 index)
{
  struct elf_section section = object_section(&link->object, index);
  return (section.flags & SHF_ALLOC) != 0 &&
         !text_equal(object_section_name(&link->object, index), ".modinfo");
}

static int reserve_sections(struct module_link *link)
{
  for (u32 index = 1; index < link->object.section_count; index++) {
    if (!is_loaded_section(link, index)) continue;
    struct elf_section section = object_section(&link->object, index);
    if (reserve(link, section.alignment, section.size, &link->section_offsets[index]) < 0) return -1;
  }
  return 0;
}

/* A common symbol's value is its alignment; where it went is kept beside the sections' offsets. */
static int reserve_commons(struct module_link *link)
{
  for (u32 index = 1; index < link->object.symbol_count; index++) {
    struct elf_symbol symbol = object_symbol(&link->object, index);
    if (symbol.section != SHN_COMMON) continue;
    if (symbol.value > 4096 || (symbol.value & (symbol.value - 1)) != 0) return -1;
    u32 *offset = &link->section_offsets[link->object.section_count + index];
    if (reserve(link, symbol.value, symbol.size, offset) < 0) return -1;
  }
  return 0;
}

static int is_exported(const struct module_link *link, const struct elf_symbol *symbol)
{
  const char *name = object_symbol_name(&link->object, symbol);
  if (symbol->info >> 4 == STB_LOCAL || symbol->section == SHN_UNDEF || *name == '\0') return 0;
  if (symbol->section < SHN_LORESERVE && !is_loaded_section(link, symbol->section)) return 0;
  return !text_equal(name, "init_module") && !text_equal(name, "cleanup_module");
}

/* A module that says nothing of exports (no __ksymtab) exports every global symbol, as in 2.2. */
static int reserve_exports(struct module_link *link)
{
  u32 names = 0;
  if (object_find_section(&link->object, "__ksymtab") != 0) return 0;
  for (u32 index = 1; index < link->object.symbol_count; index++) {
    struct elf_symbol symbol = object_symbol(&link->object, index);
    if (!is_exported(link, &symbol)) continue;
    link->export_count++;
    names += text_length(object_symbol_name(&link->object, &symbol)) + 1;
    if (names > MAX_IMAGE) return -1;
  }
  if (reserve(link, 4, link->export_count * EXPORT_SIZE, &link->exports) < 0) return -1;
  return reserve(link, 1, names, &link->names);
}

int link_layout(struct module_link *link, struct line *fault)
{
  u32 offset;
  link->section_offsets = NULL;
  link->size = MODULE_HEADER;
  link->export_count = 0;
  if (check_release(link, fault) < 0) return -1;
  size_t counted = link->object.section_count + link->object.symbol_count;
  link->section_offsets = memory_get(counted * sizeof(u32));
  if (link->section_offsets == NULL) {
    line_text(fault, "out of memory");
    return -1;
  }
  u32 strings = text_length(link->parameters) + 1;
  if (reserve_sections(link) < 0 || reserve_commons(link) < 0 || reserve_exports(link) < 0 ||
      reserve(link, 1, strings, &link->strings) < 0 ||
      reserve(link, 4, link->table_count * REFERENCE_SIZE, &link->dependencies) < 0 ||
      /* The name, and a byte beyond: 2.4 wants the table of exceptions to end before the module does. */
      reserve(link, 1, text_length(link->name) + 2, &offset) < 0) {
    line_text(fault, "it would take more memory than a module may");
    return -1;
  }
  link->string_end = link->strings + strings;
  return 0;
}

void link_free(struct module_link *link)
{
  memory_free(link->section_offsets,
              (link->object.section_count + link->object.symbol_count) * sizeof(u32));
  link->section_offsets = NULL;
}

u32 link_symbol_address(const struct module_link *link, u32 index)
{
  struct elf_symbol symbol = object_symbol(&link->object, index);
  if (symbol.section == SHN_ABS) return symbol.value;
  if (symbol.section == SHN_COMMON)
    return link->base + link->section_offsets[link->object.section_count + index];
  if (symbol.section == SHN_UNDEF || symbol.section >= SHN_LORESERVE) return 0;
  u32 offset = link->section_offsets[symbol.section];
  return offset == 0 ? 0 : link->base + offset + symbol.value;
}

/* The name of an exported symbol; an empty one when the table is damaged. */
static const char *export_name(const struct symbol_table *table, u32 index)
{
  u32 offset = get_le32(table->bytes + index * EXPORT_SIZE + 4);
  return offset < table->size ? (const char *)table->bytes + offset : "";
}

/*
 * Finds what the kernel or a module exports under that name. Modules that are not free don't get what is
 * for free ones alone, which 2.4 marks by a prefix. A version counts unless just one side has it.
 */
static int find_export(const struct module_link *link, const char *name, int is_free, u32 *value, u32 *from)
{
  const char *versions = object_modinfo(&link->object, "using_checksums");
  int exact = (versions != NULL && text_equal(versions, "1")) == link->kernel_has_versions;
  for (u32 at = link->table_count; at-- > 0;) {
    const struct symbol_table *table = &link->tables[at];
    for (u32 index = 0; index < table->count; index++) {
      const char *candidate = export_name(table, index);
      if (text_starts(candidate, "GPLONLY_")) {
        if (!is_free) continue;
        candidate += 8;
      }
      if (!(exact ? text_equal(candidate, name) : same_but_for_version(candidate, name))) continue;
      *value = get_le32(table->bytes + index * EXPORT_SIZE);
      *from = at;
      return 1;
    }
  }
  return 0;
}

/* Writes a struct module_ref for the module that the symbol came from, once. */
static void note_dependency(struct module_link *link, u32 table)
{
  u32 module = link->tables[table].module;
  u32 count = get_le32(link->image + MODULE_DEPENDENCY_COUNT);
  if (module == 0) return;
  for (u32 index = 0; index < count; index++)
    if (get_le32(link->image + link->dependencies + index * REFERENCE_SIZE) == module) return;
  u8 *reference = link->image + link->dependencies + count * REFERENCE_SIZE;
  put_le32(reference, module);
  put_le32(reference + 4, link->base);
  put_le32(link->image + MODULE_DEPENDENCY_COUNT, count + 1);
}

/* Values of all symbols: the module's own, the kernel's and other modules'. */
static int resolve(struct module_link *link, u32 *values, struct line *fault)
{
  int missing = 0;
  int is_free = licence_is_free(object_modinfo(&link->object, "license"));
  for (u32 index = 1; index < link->object.symbol_count; index++) {
    struct elf_symbol symbol = object_symbol(&link->object, index);
    const char *name = object_symbol_name(&link->object, &symbol);
    u32 table;
    if (symbol.section != SHN_UNDEF) values[index] = link_symbol_address(link, index);
    else if (text_equal(name, "__this_module")) values[index] = link->base;
    else if (find_export(link, name, is_free, &values[index], &table)) note_dependency(link, table);
    else if (text_equal(name, "_GLOBAL_OFFSET_TABLE_")) {
      line_text(fault, "it is position independent: modules are compiled with -fno-pic");
      return -1;
    } else if (symbol.info >> 4 != STB_WEAK && *name != '\0') {
      line_text(fault, missing++ == 0 ? "neither the kernel nor a loaded module has " : ", ");
      line_text(fault, name);
    }
  }
  return missing == 0 ? 0 : -1;
}

static int relocate(struct module_link *link, u32 section_index, const u32 *values, struct line *fault)
{
  struct elf_section table = object_section(&link->object, section_index);
  struct elf_section target = object_section(&link->object, table.info);
  u32 offset = link->section_offsets[table.info];
  for (u32 at = 0; at + sizeof(struct elf_relocation) <= table.size; at += sizeof(struct elf_relocation)) {
    struct elf_relocation relocation;
    memcpy(&relocation, link->object.bytes + table.offset + at, sizeof relocation);
    u32 symbol = relocation.info >> 8;
    u32 type = relocation.info & 255;
    if (type == R_386_NONE) continue;
    if (target.type == SHT_NOBITS || symbol >= link->object.symbol_count || target.size < 4 ||
        relocation.offset > target.size - 4) {
      line_text(fault, "a relocation leads out of its section");
      return -1;
    }
    u8 *place = link->image + offset + relocation.offset;
    u32 value = get_le32(place) + values[symbol];
    if (type == R_386_PC32 || type == R_386_PLT32) value -= link->base + offset + relocation.offset;
    else if (type != R_386_32) {
      line_text(fault, "it has relocations of type ");
      line_number(fault, type);
      line_text(fault, ", which modules do not have");
      return -1;
    }
    put_le32(place, value);
  }
  return 0;
}

static int relocate_all(struct module_link *link, const u32 *values, struct line *fault)
{
  for (u32 index = 1; index < link->object.section_count; index++) {
    struct elf_section section = object_section(&link->object, index);
    if (section.type != SHT_REL && section.type != SHT_RELA) continue;
    if (section.info == 0 || section.info >= link->object.section_count) {
      line_text(fault, "it has relocations for a section that is not there");
      return -1;
    }
    if (!is_loaded_section(link, section.info)) continue;
    if (section.type == SHT_RELA) {
      line_text(fault, "it has relocations with addends, which the i386 does not use");
      return -1;
    }
    if (relocate(link, index, values, fault) < 0) return -1;
  }
  return 0;
}

static void copy_sections(struct module_link *link)
{
  for (u32 index = 1; index < link->object.section_count; index++) {
    struct elf_section section = object_section(&link->object, index);
    if (link->section_offsets[index] != 0 && section.type != SHT_NOBITS)
      memcpy(link->image + link->section_offsets[index], link->object.bytes + section.offset, section.size);
  }
}

/* Start and end of a section in two fields of struct module; nothing when there is no such section. */
static void put_range(struct module_link *link, const char *section_name, u32 start_field, u32 end_field)
{
  u32 index = object_find_section(&link->object, section_name);
  if (index == 0 || link->section_offsets[index] == 0) return;
  u32 start = link->base + link->section_offsets[index];
  put_le32(link->image + start_field, start);
  put_le32(link->image + end_field, start + object_section(&link->object, index).size);
}

static void put_exports(struct module_link *link)
{
  u32 section = object_find_section(&link->object, "__ksymtab");
  u32 at = link->exports;
  u32 name_at = link->names;
  if (section != 0 && link->section_offsets[section] != 0) {
    link->exports = link->section_offsets[section];
    link->export_count = object_section(&link->object, section).size / EXPORT_SIZE;
  }
  if (section == 0)
    for (u32 index = 1; index < link->object.symbol_count; index++) {
      struct elf_symbol symbol = object_symbol(&link->object, index);
      if (!is_exported(link, &symbol)) continue;
      const char *name = object_symbol_name(&link->object, &symbol);
      size_t length = text_length(name) + 1;
      memcpy(link->image + name_at, name, length);
      put_le32(link->image + at, link_symbol_address(link, index));
      put_le32(link->image + at + 4, link->base + name_at);
      at += EXPORT_SIZE;
      name_at += (u32)length;
    }
  if (link->export_count == 0) return;
  put_le32(link->image + MODULE_SYMBOL_COUNT, link->export_count);
  put_le32(link->image + MODULE_SYMBOLS, link->base + link->exports);
}

static void put_header(struct module_link *link)
{
  u32 init = object_find_symbol(&link->object, "init_module");
  u32 cleanup = object_find_symbol(&link->object, "cleanup_module");
  size_t name_size = text_length(link->name) + 1;
  u32 name_at = link->size - (u32)name_size - 1;
  memcpy(link->image + name_at, link->name, name_size);
  put_le32(link->image + MODULE_STRUCT_SIZE, MODULE_HEADER);
  put_le32(link->image + MODULE_NAME, link->base + name_at);
  put_le32(link->image + MODULE_IMAGE_SIZE, link->size);
  if (get_le32(link->image + MODULE_DEPENDENCY_COUNT) != 0)
    put_le32(link->image + MODULE_DEPENDENCIES, link->base + link->dependencies);
  if (init != 0) put_le32(link->image + MODULE_INIT, link_symbol_address(link, init));
  if (cleanup != 0) put_le32(link->image + MODULE_CLEANUP, link_symbol_address(link, cleanup));
  put_range(link, "__ex_table", MODULE_EXCEPTIONS, MODULE_EXCEPTIONS_END);
  put_range(link, "__archdata", MODULE_ARCHDATA, MODULE_ARCHDATA_END);
}

int link_finish(struct module_link *link, u8 *image, u32 base, struct line *fault)
{
  u32 values_size = link->object.symbol_count * sizeof(u32);
  u32 *values = memory_get(values_size);
  link->image = image;
  link->base = base;
  if (values == NULL) {
    line_text(fault, "out of memory");
    return -1;
  }
  copy_sections(link);
  int failed = resolve(link, values, fault) < 0 || relocate_all(link, values, fault) < 0;
  memory_free(values, values_size);
  if (failed) return -1;
  put_exports(link);
  put_header(link);
  return link_parameters(link, fault);
}
