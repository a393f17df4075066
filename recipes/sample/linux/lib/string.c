/* Strings and memory. */
#include <linux/module.h>
#include <linux/string.h>

void *memcpy(void *to, const void *from, size_t count)
{
	u8 *out = to;
	const u8 *in = from;

	while (count--)
		*out++ = *in++;
	return to;
}

void *memmove(void *to, const void *from, size_t count)
{
	u8 *out = to;
	const u8 *in = from;

	if (out <= in)
		return memcpy(to, from, count);
	while (count--)
		out[count] = in[count];
	return to;
}

void *memset(void *to, int value, size_t count)
{
	u8 *out = to;

	while (count--)
		*out++ = value;
	return to;
}

int memcmp(const void *left, const void *right, size_t count)
{
	const u8 *a = left, *b = right;

	for (; count--; a++, b++)
		if (*a != *b)
			return *a - *b;
	return 0;
}

size_t strlen(const char *string)
{
	size_t length = 0;

	while (string[length])
		length++;
	return length;
}

EXPORT_SYMBOL(memcpy);
EXPORT_SYMBOL(memmove);
EXPORT_SYMBOL(memset);
EXPORT_SYMBOL(memcmp);
EXPORT_SYMBOL(strlen);
