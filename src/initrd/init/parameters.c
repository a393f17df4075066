/*
 * Parameters of 2.2 and 2.4 modules. A module tells of each by an entry of .modinfo (MODULE_PARM in
 * linux/module.h): `parm_io=1-8i`, the fewest and most values and their type: b, h, i and l are numbers of
 * one, two and four bytes, s a string, c<n> an array of n characters.
 */
#include "link.h"

enum { PARAMETER_NAME_SIZE = 60 };

struct parameter {
  char name[PARAMETER_NAME_SIZE];
  u32 fewest, most;
  char type;
  /* Bytes of one value. */
  u32 width;
  /* Where the first value goes in the image, and the end of the room for all of them. */
  u32 offset, end;
};

static int complain(struct line *fault, const struct parameter *parameter, const char *what)
{
  line_text(fault, "parameter ");
  line_text(fault, parameter->name);
  line_text(fault, what);
  return -1;
}

static u32 width_of(char type)
{
  if (type == 'b') return 1;
  if (type == 'h') return 2;
  return type == 'i' || type == 'l' || type == 's' ? 4 : 0;
}

/* Reads `1-8i`; -1 for anything else. */
static int read_description(struct parameter *parameter, const char *text)
{
  const char *after = parse_number(text, &parameter->fewest);
  if (after == NULL) parameter->fewest = 1;
  else text = after;
  parameter->most = parameter->fewest;
  if (*text == '-') {
    text = parse_number(text + 1, &parameter->most);
    if (text == NULL) return -1;
  }
  parameter->type = *text;
  parameter->width = width_of(*text);
  if (*text == 'c' && (parse_number(text + 1, &parameter->width) == NULL || parameter->width == 0)) return -1;
  return parameter->width == 0 || parameter->width > 4096 || parameter->most > 4096 ? -1 : 0;
}

/* Where the module's variable of that name is in the image. */
static int find_variable(const struct module_link *link, struct parameter *parameter)
{
  u32 index = object_find_symbol(&link->object, parameter->name);
  u32 address = index == 0 ? 0 : link_symbol_address(link, index);
  if (address < link->base || address - link->base > link->size) return -1;
  parameter->offset = address - link->base;
  u32 room = parameter->width * parameter->most;
  if (room > link->size - parameter->offset) return -1;
  parameter->end = parameter->offset + room;
  return 0;
}

static int describe(const struct module_link *link, struct parameter *parameter, struct line *fault)
{
  char key[PARAMETER_NAME_SIZE + 5] = "parm_";
  text_copy(key + 5, sizeof key - 5, parameter->name, text_length(parameter->name));
  const char *description = object_modinfo(&link->object, key);
  if (description == NULL) return complain(fault, parameter, ": the module has none of that name");
  if (read_description(parameter, description) < 0) return complain(fault, parameter, ": of an unknown type");
  if (find_variable(link, parameter) < 0) return complain(fault, parameter, ": the module has no such variable");
  return 0;
}

/* A string goes to the room that the layout left for it; the variable points there. */
static int put_string(struct module_link *link, u32 place, const char *value, size_t length)
{
  if (length + 1 > link->string_end - link->strings) return -1;
  memcpy(link->image + link->strings, value, length);
  link->image[link->strings + length] = '\0';
  put_le32(link->image + place, link->base + link->strings);
  link->strings += (u32)length + 1;
  return 0;
}

static int put_value(struct module_link *link, const struct parameter *parameter, u32 place, const char *value,
                     size_t length)
{
  u8 bytes[4];
  u32 number;
  if (parameter->type == 's') return put_string(link, place, value, length);
  if (parameter->type == 'c') {
    if (length >= parameter->width) return -1;
    memset(link->image + place, 0, parameter->width);
    memcpy(link->image + place, value, length);
    return 0;
  }
  const char *end = parse_number(value, &number);
  if (end != value + length) return -1;
  put_le32(bytes, number);
  memcpy(link->image + place, bytes, parameter->width);
  return 0;
}

static int put_values(struct module_link *link, const struct parameter *parameter, const char *at, const char *end,
                      struct line *fault)
{
  u32 count = 0;
  for (;; at++) {
    const char *start = at;
    while (at < end && *at != ',') at++;
    if (count == parameter->most) return complain(fault, parameter, ": too many values");
    u32 place = parameter->offset + count * parameter->width;
    if (put_value(link, parameter, place, start, (size_t)(at - start)) < 0)
      return complain(fault, parameter, ": a value that is not of its type");
    count++;
    if (at == end) break;
  }
  return count < parameter->fewest ? complain(fault, parameter, ": too few values") : 0;
}

int link_parameters(struct module_link *link, struct line *fault)
{
  for (const char *at = skip_blanks(link->parameters); *at != '\0'; at = skip_blanks(skip_word(at))) {
    struct parameter parameter;
    const char *end = skip_word(at);
    const char *value = at;
    while (value < end && *value != '=') value++;
    if (!text_copy(parameter.name, sizeof parameter.name, at, (size_t)(value - at)) || value == end)
      return complain(fault, &parameter, ": is not written name=value");
    if (describe(link, &parameter, fault) < 0) return -1;
    if (put_values(link, &parameter, value + 1, end, fault) < 0) return -1;
  }
  return 0;
}
