/* The end when something is wrong. */
#include <asm/io.h>
#include <linux/kernel.h>
#include <linux/module.h>

void panic(const char *format, ...)
{
	__builtin_va_list arguments;

	printk("Kernel panic: ");
	__builtin_va_start(arguments, format);
	vprintk(format, arguments);
	__builtin_va_end(arguments);
	printk("\n");
	for (;;)
		halt_forever();
}

EXPORT_SYMBOL(panic);
