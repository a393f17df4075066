#include "object.h"

static int fail(struct line *fault, const char *what)
{
  line_text(fault, what);
  return -1;
}

struct elf_section object_section(const struct object *object, u32 index)
{
  struct elf_section section;
  memcpy(&section, object->bytes + object->section_headers + index * sizeof section, sizeof section);
  return section;
}

struct elf_symbol object_symbol(const struct object *object, u32 index)
{
  struct elf_symbol symbol;
  struct elf_section table = object_section(object, object->symbol_section);
  memcpy(&symbol, object->bytes + table.offset + index * sizeof symbol, sizeof symbol);
  return symbol;
}

/* A string of a string table; the empty one where the offset is beyond it. */
static const char *string_at(const struct object *object, u32 table, u32 offset)
{
  struct elf_section section = object_section(object, table);
  return offset < section.size ? (const char *)object->bytes + section.offset + offset : "";
}

const char *object_section_name(const struct object *object, u32 index)
{
  return string_at(object, object->name_section, object_section(object, index).name);
}

const char *object_symbol_name(const struct object *object, const struct elf_symbol *symbol)
{
  return string_at(object, object_section(object, object->symbol_section).link, symbol->name);
}

static int is_string_table(const struct object *object, u32 index)
{
  if (index == 0 || index >= object->section_count) return 0;
  struct elf_section table = object_section(object, index);
  return table.type != SHT_NOBITS && table.size > 0 && object->bytes[table.offset + table.size - 1] == '\0';
}

static int check_header(struct object *object, struct line *fault)
{
  static const u8 magic[] = {0x7f, 'E', 'L', 'F', ELF_CLASS_32, ELF_LITTLE_ENDIAN};
  struct elf_header header;
  if (object->size < sizeof header) return fail(fault, "it is too short for an object");
  memcpy(&header, object->bytes, sizeof header);
  if (memcmp(header.ident, magic, sizeof magic) != 0 || header.type != ET_REL ||
      (header.machine != EM_386 && header.machine != EM_486))
    return fail(fault, "it is no ELF object for the i386");
  if (header.section_header_size != sizeof(struct elf_section) || header.section_count == 0 ||
      header.section_headers > object->size ||
      header.section_count > (object->size - header.section_headers) / sizeof(struct elf_section))
    return fail(fault, "its table of sections runs out of the file");
  object->section_headers = header.section_headers;
  object->section_count = header.section_count;
  object->name_section = header.name_section;
  return 0;
}

static int check_sections(struct object *object, struct line *fault)
{
  for (u32 index = 1; index < object->section_count; index++) {
    struct elf_section section = object_section(object, index);
    if (section.type != SHT_NOBITS &&
        (section.offset > object->size || section.size > object->size - section.offset))
      return fail(fault, "a section runs out of the file");
    /* Modules are put together at the granularity of pages at most. */
    if (section.alignment > 4096 || (section.alignment & (section.alignment - 1)) != 0)
      return fail(fault, "a section has an impossible alignment");
    if (section.type == SHT_SYMTAB) object->symbol_section = index;
  }
  return is_string_table(object, object->name_section) ? 0 : fail(fault, "its sections have no names");
}

static int check_symbols(struct object *object, struct line *fault)
{
  if (object->symbol_section == 0) return fail(fault, "it has no symbol table: was it stripped?");
  struct elf_section table = object_section(object, object->symbol_section);
  object->symbol_count = table.size / sizeof(struct elf_symbol);
  if (table.entry_size != sizeof(struct elf_symbol) || !is_string_table(object, table.link))
    return fail(fault, "its symbol table is damaged");
  for (u32 index = 0; index < object->symbol_count; index++) {
    u16 section = object_symbol(object, index).section;
    if (section >= object->section_count && section < SHN_LORESERVE)
      return fail(fault, "a symbol is in a section that is not there");
  }
  return 0;
}

int object_open(struct object *object, const u8 *bytes, u32 size, struct line *fault)
{
  *object = (struct object){.bytes = bytes, .size = size};
  if (check_header(object, fault) < 0 || check_sections(object, fault) < 0) return -1;
  return check_symbols(object, fault);
}

u32 object_find_section(const struct object *object, const char *name)
{
  for (u32 index = 1; index < object->section_count; index++)
    if (text_equal(object_section_name(object, index), name)) return index;
  return 0;
}

u32 object_find_symbol(const struct object *object, const char *name)
{
  for (u32 index = 1; index < object->symbol_count; index++) {
    struct elf_symbol symbol = object_symbol(object, index);
    int type = symbol.info & 15;
    if (symbol.section == SHN_UNDEF || type == STT_SECTION || type == STT_FILE) continue;
    if (text_equal(object_symbol_name(object, &symbol), name)) return index;
  }
  return 0;
}

const char *object_modinfo(const struct object *object, const char *key)
{
  u32 index = object_find_section(object, ".modinfo");
  if (index == 0) return NULL;
  struct elf_section section = object_section(object, index);
  if (section.type == SHT_NOBITS || section.size == 0) return NULL;
  const char *at = (const char *)object->bytes + section.offset;
  const char *end = at + section.size;
  /* A last entry without its zero is none. */
  while (end > at && end[-1] != '\0') end--;
  size_t length = text_length(key);
  while (at < end) {
    if (text_starts(at, key) && at[length] == '=') return at + length + 1;
    at += text_length(at) + 1;
  }
  return NULL;
}
