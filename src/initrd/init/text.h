/* Strings, and lines put together piece by piece. Pure: nothing here asks the kernel for anything. */
#ifndef KILN_TEXT_H
#define KILN_TEXT_H

#include "types.h"

/* A line being put together; what does not fit is cut. */
struct line {
  size_t length;
  char text[1024];
};

/* gcc calls these by itself as well; they are in memory.c. */
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *left, const void *right, size_t size);

size_t text_length(const char *text);
int text_equal(const char *left, const char *right);
int text_starts(const char *text, const char *start);

/* Copies what fits and ends it with a zero; whether all of it fitted. */
int text_copy(char *to, size_t size, const char *from, size_t length);

int is_blank(char character);

/* The first character from `at` on that is no blank (a space, a tab, a line's end). */
const char *skip_blanks(const char *at);
/* The first blank from `at` on, or the string's end. */
const char *skip_word(const char *at);
/* The start of the line after the one that `at` is in, or the string's end. */
const char *skip_line(const char *at);
/* The last component of a path. */
const char *base_name(const char *path);

/*
 * A number as C writes it: decimal, 0x hexadecimal, 0 octal, with an optional sign. The first character
 * after it, or NULL when there is no number.
 */
const char *parse_number(const char *at, u32 *value);

/* Four decimal numbers with dots, network order. The first character after it, or NULL. */
const char *parse_address(const char *at, u8 address[4]);

/* An empty line, without the name that console lines start with. */
void line_clear(struct line *line);
void line_character(struct line *line, char character);
void line_text(struct line *line, const char *text);
void line_part(struct line *line, const char *text, size_t length);
void line_number(struct line *line, u32 number);
void line_hex(struct line *line, u8 byte);
void line_address(struct line *line, const u8 address[4]);
/* The line as a string; valid until the line is added to. */
const char *line_string(struct line *line);

/*
 * The value of `name=` on the kernel's command line: the last one where there are many, an empty string
 * where there is none. Whether there is one.
 */
int command_line_value(const char *command_line, const char *name, char *value, size_t size);
/* Whether the word stands on the command line by itself. */
int command_line_has(const char *command_line, const char *word);

#endif
