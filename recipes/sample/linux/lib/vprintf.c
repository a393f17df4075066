/* Formatted text, as much of it as linux/kernel.h promises. */
#include <linux/kernel.h>
#include <linux/string.h>

static void put_padded(void (*put)(char), const char *text, int length, int width, char pad)
{
	for (; width > length; width--)
		put(pad);
	while (length--)
		put(*text++);
}

static void put_number(void (*put)(char), u32 value, u32 base, int negative, int width, char pad)
{
	char digits[12];
	int at = sizeof(digits);

	do {
		digits[--at] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	if (negative)
		digits[--at] = '-';
	put_padded(put, digits + at, sizeof(digits) - at, width, pad);
}

void vprintf_to(void (*put)(char), const char *format, __builtin_va_list arguments)
{
	for (; *format; format++) {
		const char *text;
		char pad = ' ';
		int width = 0, number;

		if (*format != '%') {
			put(*format);
			continue;
		}
		if (*++format == '0')
			pad = '0';
		for (; *format >= '0' && *format <= '9'; format++)
			width = width * 10 + *format - '0';
		switch (*format) {
		case 's':
			text = __builtin_va_arg(arguments, const char *);
			put_padded(put, text, strlen(text), width, ' ');
			break;
		case 'd':
			number = __builtin_va_arg(arguments, int);
			put_number(put, number < 0 ? -(u32) number : number, 10, number < 0, width, pad);
			break;
		case 'u':
			put_number(put, __builtin_va_arg(arguments, u32), 10, 0, width, pad);
			break;
		case 'x':
			put_number(put, __builtin_va_arg(arguments, u32), 16, 0, width, pad);
			break;
		case 'c':
			put(__builtin_va_arg(arguments, int));
			break;
		case 0:
			return;
		default:
			put(*format);
		}
	}
}
