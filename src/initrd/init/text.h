/* Strings and the console. */
#ifndef KILN_TEXT_H
#define KILN_TEXT_H

#include "kernel.h"

/* A line being put together; what does not fit is cut. */
struct line {
  size_t length;
  char text[1024];
};

/* gcc calls these by itself as well. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

size_t text_length(const char *text);
int text_equal(const char *left, const char *right);
int text_starts(const char *text, const char *start);
int is_blank(char character);

void line_start(struct line *line);
void line_character(struct line *line, char character);
void line_text(struct line *line, const char *text);
void line_number(struct line *line, u32 number);
void line_hex(struct line *line, u8 byte);

/* Puts a line on the console, whole, in one write, and waits until it is out. */
void line_say(struct line *line);

/* `kiln: ` and up to three parts, as one line on the console. */
void say(const char *first, const char *second, const char *third);

/* Reads a small file (of /proc, say) into a buffer as a string; its length, or below 0 as the kernel says. */
int read_text(const char *path, char *buffer, size_t size);

/*
 * The value of `name=` on the kernel's command line: the last one where there are many, an empty string
 * where there is none.
 */
void command_line_value(const char *command_line, const char *name, char *value, size_t size);

#endif
