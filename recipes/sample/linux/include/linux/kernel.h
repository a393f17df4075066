/* What all of the kernel may call: messages and the end. */
#ifndef _LINUX_KERNEL_H
#define _LINUX_KERNEL_H

#include <linux/types.h>

/* Knows %s, %d, %u, %x, %c and %%, with a width that pads by blanks or, begun with 0, by zeros. */
int printk(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints "Kernel panic: ..." and stops. */
void panic(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The same for callers that have an argument list already. */
int vprintk(const char *format, __builtin_va_list arguments);

/* lib/vprintf.c: what both are made of. */
void vprintf_to(void (*put)(char), const char *format, __builtin_va_list arguments);

void machine_power_off(void);

#endif
