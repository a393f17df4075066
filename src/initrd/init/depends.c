#include "depends.h"

/* Where the line of modules.dep that starts here ends: at a line's end without a backslash before it. */
static const char *next_entry(const char *at)
{
  for (;;) {
    const char *next = skip_line(at);
    const char *end = next;
    while (end > at && (end[-1] == '\n' || end[-1] == '\r')) end--;
    if (*next == '\0' || end == at || end[-1] != '\\') return next;
    at = next;
  }
}

/* The length of the path before an entry's colon; 0 where there is none on its first line. */
static size_t path_length(const char *entry)
{
  size_t length = 0;
  while (entry[length] != ':' && entry[length] != '\n' && entry[length] != '\0') length++;
  return entry[length] == ':' ? length : 0;
}

/* The length of a file's name without its ending. */
static size_t stem_length(const char *base, size_t length)
{
  static const char *const endings[] = {".ko", ".o"};
  for (int index = 0; index < 2; index++) {
    size_t ending = text_length(endings[index]);
    if (length > ending && memcmp(base + length - ending, endings[index], ending) == 0) return length - ending;
  }
  return length;
}

static int same_name(const char *left, const char *right, size_t length)
{
  for (size_t index = 0; index < length; index++) {
    char one = left[index] == '-' ? '_' : left[index];
    char other = right[index] == '-' ? '_' : right[index];
    if (one != other) return 0;
  }
  return 1;
}

static size_t base_start(const char *path, size_t length)
{
  while (length > 0 && path[length - 1] != '/') length--;
  return length;
}

const char *find_module(const char *dependencies, const char *name)
{
  size_t name_length = text_length(name);
  for (const char *at = dependencies; *at != '\0'; at = next_entry(at)) {
    size_t length = path_length(at);
    size_t base = base_start(at, length);
    if (stem_length(at + base, length - base) == name_length && name_length > 0 &&
        same_name(at + base, name, name_length))
      return at;
  }
  return NULL;
}

const char *find_dependencies(const char *dependencies, const char *path, size_t length)
{
  for (const char *at = dependencies; *at != '\0'; at = next_entry(at))
    if (length > 0 && path_length(at) == length && memcmp(at, path, length) == 0) return at;
  return NULL;
}

int dependencies_of(struct dependency_list *list, const char *line)
{
  const char *end = next_entry(line);
  size_t length = path_length(line);
  list->words[0] = (struct word){line, length};
  list->count = 1;
  if (length == 0) return 0;
  for (const char *at = line + length + 1; at < end;) {
    if (is_blank(*at) || (*at == '\\' && (at[1] == '\n' || at[1] == '\r' || at[1] == '\0'))) {
      at++;
      continue;
    }
    if (list->count == MAX_DEPENDENCIES) return 0;
    const char *stop = skip_word(at);
    list->words[list->count++] = (struct word){at, (size_t)(stop - at)};
    at = stop;
  }
  return 1;
}

void module_name(char *name, size_t size, const char *path)
{
  const char *base = base_name(path);
  text_copy(name, size, base, stem_length(base, text_length(base)));
}

int module_path(char *path, size_t size, const char *release, const struct word *word)
{
  struct line line;
  line_clear(&line);
  if (word->at[0] != '/') {
    line_text(&line, "/lib/modules/");
    line_text(&line, release);
    line_character(&line, '/');
  }
  line_part(&line, word->at, word->length);
  return text_copy(path, size, line.text, line.length);
}
