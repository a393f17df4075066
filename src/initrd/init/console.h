/* The console, and files read whole. */
#ifndef KILN_CONSOLE_H
#define KILN_CONSOLE_H

#include "text.h"

/* Starts a line of the kit's own: `kiln: `. */
void line_start(struct line *line);

/* Puts a line on the console, whole, in one write, and waits until it is out. */
void line_say(struct line *line);

/* `kiln: ` and up to three parts, as one line on the console. */
void say(const char *first, const char *second, const char *third);

/* As `say`, with what the kernel answered at the end: `: no such device (-19)`. */
void say_error(const char *what, const char *name, int error);

/* Words for what a system call answered. */
void line_error(struct line *line, int error);

/* Reads a small file (of /proc, say) into a buffer as a string; its length, or below 0 as the kernel says. */
int read_text(const char *path, char *buffer, size_t size);

/* A file in memory, whole; a zero follows its bytes. */
struct file {
  u8 *bytes;
  u32 size;
  u32 capacity;
};

/* 0, or below 0 as the kernel says; then there is nothing to free. */
int file_read(struct file *file, const char *path);
void file_free(struct file *file);

/* Writes a file anew; 0, or below 0 as the kernel says. */
int write_text(const char *path, const char *text);

#endif
