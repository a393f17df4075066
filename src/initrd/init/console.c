#include "console.h"
#include "kernel.h"
#include "memory.h"

enum { CONSOLE = 1 };

void line_start(struct line *line)
{
  line_clear(line);
  line_text(line, "kiln: ");
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

struct error_words {
  int error;
  const char *words;
};

/* asm/errno.h: those that a node without disks runs into. */
static const struct error_words errors[] = {
    {1, "not permitted"},       {2, "no such file"},           {5, "input or output error"},
    {8, "not for this kernel"}, {12, "out of memory"},         {13, "permission denied"},
    {16, "busy"},               {17, "is there already"},      {19, "no such device"},
    {20, "not a directory"},    {22, "invalid argument"},      {30, "read-only file system"},
    {38, "not in this kernel"}, {93, "protocol not supported"}, {101, "network unreachable"},
    {110, "timed out"},         {111, "connection refused"},   {113, "no route to host"},
};

void line_error(struct line *line, int error)
{
  if (error > 0) error = -error;
  for (size_t index = 0; index < sizeof errors / sizeof errors[0]; index++)
    if (errors[index].error == -error) {
      line_text(line, errors[index].words);
      line_character(line, ' ');
    }
  line_text(line, "(error ");
  line_number(line, (u32)-error);
  line_character(line, ')');
}

void say_error(const char *what, const char *name, int error)
{
  struct line line;
  line_start(&line);
  line_text(&line, what);
  line_text(&line, name);
  line_text(&line, ": ");
  line_error(&line, error);
  line_say(&line);
}

/* Reads until the file ends or the buffer is full; the bytes read. */
static size_t read_all(int file, void *buffer, size_t size)
{
  size_t length = 0;
  while (length < size) {
    int got = kernel_read(file, (char *)buffer + length, size - length);
    if (got <= 0) break;
    length += (size_t)got;
  }
  return length;
}

int read_text(const char *path, char *buffer, size_t size)
{
  int file = kernel_open(path, O_RDONLY);
  *buffer = '\0';
  if (file < 0) return file;
  size_t length = read_all(file, buffer, size - 1);
  kernel_close(file);
  buffer[length] = '\0';
  return (int)length;
}

enum { FIRST_CAPACITY = 65536, LAST_CAPACITY = 64 << 20 };

/* Files of /proc don't say how large they are, so that every file is read into twice the room until it fits. */
int file_read(struct file *file, const char *path)
{
  for (u32 capacity = FIRST_CAPACITY; capacity <= LAST_CAPACITY; capacity *= 2) {
    int opened = kernel_open(path, O_RDONLY);
    if (opened < 0) return opened;
    u8 *bytes = memory_get(capacity);
    u32 size = bytes == NULL ? 0 : read_all(opened, bytes, capacity);
    kernel_close(opened);
    if (bytes == NULL) return -ENOMEM;
    if (size < capacity) {
      *file = (struct file){bytes, size, capacity};
      return 0;
    }
    memory_free(bytes, capacity);
  }
  return -ENOMEM;
}

void file_free(struct file *file)
{
  memory_free(file->bytes, file->capacity);
}

int write_text(const char *path, const char *text)
{
  int file = call3(SYS_open, (u32)path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return file;
  size_t length = text_length(text);
  int written = kernel_write(file, text, length);
  kernel_close(file);
  return written == (int)length ? 0 : -EIO;
}
