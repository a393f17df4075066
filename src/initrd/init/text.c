#include "text.h"

enum { CONSOLE = 1 };

/* gcc calls these by itself, even in freestanding code. */
void *memcpy(void *to, const void *from, size_t size)
{
  char *target = to;
  const char *source = from;
  while (size-- != 0) *target++ = *source++;
  return to;
}

void *memset(void *to, int value, size_t size)
{
  char *target = to;
  while (size-- != 0) *target++ = (char)value;
  return to;
}

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

int is_blank(char character)
{
  return character == ' ' || character == '\t' || character == '\n' || character == '\r';
}

void line_start(struct line *line)
{
  line->length = 0;
  line_text(line, "kiln: ");
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

void line_say(struct line *line)
{
  line->text[line->length++] = '\n';
  size_t done = 0;
  while (done < line->length) {
    int written = kernel_write(CONSOLE, line->text + done, line->length - done);
    if (written <= 0) break;
    done += (size_t)written;
  }
  /* The kernel's own messages would otherwise land in the middle of a line that is still in the queue. */
  kernel_ioctl(CONSOLE, TCSBRK, 1);
}

void say(const char *first, const char *second, const char *third)
{
  struct line line;
  line_start(&line);
  line_text(&line, first);
  line_text(&line, second);
  line_text(&line, third);
  line_say(&line);
}

int read_text(const char *path, char *buffer, size_t size)
{
  size_t length = 0;
  int file = kernel_open(path, O_RDONLY);
  if (file < 0) return file;
  while (length < size - 1) {
    int got = kernel_read(file, buffer + length, size - 1 - length);
    if (got <= 0) break;
    length += (size_t)got;
  }
  kernel_close(file);
  buffer[length] = '\0';
  return (int)length;
}

void command_line_value(const char *command_line, const char *name, char *value, size_t size)
{
  size_t name_length = text_length(name);
  const char *at = command_line;
  *value = '\0';
  while (*at != '\0') {
    while (is_blank(*at)) at++;
    int ours = text_starts(at, name) && at[name_length] == '=';
    if (ours) at += name_length + 1;
    size_t length = 0;
    for (; *at != '\0' && !is_blank(*at); at++)
      if (ours && length < size - 1) value[length++] = *at;
    if (ours) value[length] = '\0';
  }
}
