/* The first serial line: says whether there is a UART, by whether its scratch register keeps a value. */
#include <asm/io.h>
#include <linux/config.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

#define SCRATCH (CONFIG_SERIAL_PORT + 7)

static int serial_init(void)
{
	outb(0x5a, SCRATCH);
	if (inb(SCRATCH) == 0x5a) {
		printk("sample: serial: found at %04x\n", CONFIG_SERIAL_PORT);
		return 0;
	}
	printk("sample: serial: not found\n");
	return -1;
}

static void serial_exit(void)
{
}

module_init(serial_init);
module_exit(serial_exit);

MODULE_DESCRIPTION("Serial lines");
MODULE_LICENSE("MIT");
