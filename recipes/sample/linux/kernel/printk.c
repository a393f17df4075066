/* Messages go to COM1, 115200 8N1, polled; a PC's 16550 as of National Semiconductor's data sheet. */
#include <asm/io.h>
#include <linux/kernel.h>
#include <linux/module.h>

#define COM1 0x3f8
#define DATA (COM1 + 0)
#define INTERRUPTS (COM1 + 1)
#define FIFO (COM1 + 2)
#define LINE_CONTROL (COM1 + 3)
#define LINE_STATUS (COM1 + 5)

#define DIVISOR_ACCESS 0x80
#define EIGHT_N_ONE 0x03
#define DIVISOR_115200 1
#define TRANSMITTER_EMPTY 0x20
#define PATIENCE 100000		/* a line that is not there never gets ready */

static void console_init(void)
{
	outb(0, INTERRUPTS);
	outb(DIVISOR_ACCESS | EIGHT_N_ONE, LINE_CONTROL);
	outb(DIVISOR_115200, DATA);
	outb(0, INTERRUPTS);
	outb(EIGHT_N_ONE, LINE_CONTROL);
	outb(1, FIFO);
}

static void put_raw(char character)
{
	int patience = PATIENCE;

	while (!(inb(LINE_STATUS) & TRANSMITTER_EMPTY) && --patience)
		;
	outb(character, DATA);
}

static void put(char character)
{
	static int ready;

	if (!ready) {
		console_init();
		ready = 1;
	}
	if (character == '\n')
		put_raw('\r');
	put_raw(character);
}

int vprintk(const char *format, __builtin_va_list arguments)
{
	vprintf_to(put, format, arguments);
	return 0;
}

int printk(const char *format, ...)
{
	__builtin_va_list arguments;

	__builtin_va_start(arguments, format);
	vprintk(format, arguments);
	__builtin_va_end(arguments);
	return 0;
}

EXPORT_SYMBOL(printk);
