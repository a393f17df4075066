#include "text.h"

size_t text_length(const char *text)
{
  size_t length = 0;
  while (text[length] != '\0') length++;
  return length;
}

int text_equal(const char *left, const char *right)
{
  while (*left != '\0' && *left == *right) left++, right++;
  return *left == *right;
}

int text_starts(const char *text, const char *start)
{
  while (*start != '\0' && *text == *start) text++, start++;
  return *start == '\0';
}

int text_copy(char *to, size_t size, const char *from, size_t length)
{
  int fits = length < size;
  if (!fits) length = size - 1;
  memcpy(to, from, length);
  to[length] = '\0';
  return fits;
}

int is_blank(char character)
{
  return character == ' ' || character == '\t' || character == '\n' || character == '\r';
}

const char *skip_blanks(const char *at)
{
  while (is_blank(*at)) at++;
  return at;
}

const char *skip_word(const char *at)
{
  while (*at != '\0' && !is_blank(*at)) at++;
  return at;
}

const char *skip_line(const char *at)
{
  while (*at != '\0' && *at != '\n') at++;
  return *at == '\0' ? at : at + 1;
}

const char *base_name(const char *path)
{
  const char *base = path;
  for (; *path != '\0'; path++)
    if (*path == '/') base = path + 1;
  return base;
}

static u32 digit_value(char digit)
{
  if (digit >= '0' && digit <= '9') return (u32)(digit - '0');
  char lower = (char)(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? (u32)(lower - 'a') + 10 : 99;
}

const char *parse_number(const char *at, u32 *value)
{
  int negative = *at == '-';
  if (*at == '-' || *at == '+') at++;
  u32 base = 10;
  if (at[0] == '0' && (at[1] | 0x20) == 'x' && digit_value(at[2]) < 16) base = 16, at += 2;
  else if (at[0] == '0') base = 8;
  if (digit_value(*at) >= base) return NULL;
  u32 number = 0;
  while (digit_value(*at) < base) number = number * base + digit_value(*at++);
  *value = negative ? 0 - number : number;
  return at;
}

const char *parse_address(const char *at, u8 address[4])
{
  for (int index = 0; index < 4; index++) {
    u32 number = 0;
    if (index > 0 && *at++ != '.') return NULL;
    if (digit_value(*at) > 9) return NULL;
    while (digit_value(*at) <= 9 && number <= 255) number = number * 10 + digit_value(*at++);
    if (number > 255) return NULL;
    address[index] = (u8)number;
  }
  return at;
}

void line_clear(struct line *line)
{
  line->length = 0;
}

void line_character(struct line *line, char character)
{
  /* One place stays free for the line's end. */
  if (line->length < sizeof line->text - 1) line->text[line->length++] = character;
}

void line_text(struct line *line, const char *text)
{
  while (*text != '\0') line_character(line, *text++);
}

void line_part(struct line *line, const char *text, size_t length)
{
  while (length-- != 0) line_character(line, *text++);
}

void line_number(struct line *line, u32 number)
{
  if (number >= 10) line_number(line, number / 10);
  line_character(line, (char)('0' + number % 10));
}

void line_hex(struct line *line, u8 byte)
{
  static const char digits[] = "0123456789abcdef";
  line_character(line, digits[byte >> 4]);
  line_character(line, digits[byte & 15]);
}

void line_address(struct line *line, const u8 address[4])
{
  for (int index = 0; index < 4; index++) {
    if (index > 0) line_character(line, '.');
    line_number(line, address[index]);
  }
}

const char *line_string(struct line *line)
{
  line->text[line->length] = '\0';
  return line->text;
}

int command_line_value(const char *command_line, const char *name, char *value, size_t size)
{
  size_t name_length = text_length(name);
  int found = 0;
  *value = '\0';
  for (const char *at = skip_blanks(command_line); *at != '\0'; at = skip_blanks(skip_word(at))) {
    if (!text_starts(at, name) || at[name_length] != '=') continue;
    const char *start = at + name_length + 1;
    text_copy(value, size, start, (size_t)(skip_word(start) - start));
    found = 1;
  }
  return found;
}

int command_line_has(const char *command_line, const char *word)
{
  size_t length = text_length(word);
  for (const char *at = skip_blanks(command_line); *at != '\0'; at = skip_blanks(skip_word(at)))
    if (text_starts(at, word) && skip_word(at) == at + length) return 1;
  return 0;
}
