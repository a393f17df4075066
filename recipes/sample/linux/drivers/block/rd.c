/* The RAM disk: says how large it would be. */
#include <linux/config.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

static int rd_init(void)
{
	printk("sample: rd: %u KiB\n", CONFIG_BLK_DEV_RAM_SIZE);
	return 0;
}

static void rd_exit(void)
{
}

module_init(rd_init);
module_exit(rd_exit);

MODULE_DESCRIPTION("RAM disk");
MODULE_LICENSE("MIT");
