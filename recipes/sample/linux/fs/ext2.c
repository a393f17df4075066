/* ext2: says that it is there. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

static int ext2_init(void)
{
	printk("sample: ext2: ready\n");
	return 0;
}

static void ext2_exit(void)
{
}

module_init(ext2_init);
module_exit(ext2_exit);

MODULE_DESCRIPTION("ext2");
MODULE_LICENSE("MIT");
