/*
 * The whole life of the kernel: it says what it is and what it was given, lets the drivers say what they
 * find, and ends as the command line asks by kiln.then=halt|panic|hang|fault (power off, if it asks
 * nothing). The lines are Kiln's contract with its boot gate: recipes/sample/README.md lists them.
 */
#include <asm/io.h>
#include <asm/setup.h>
#include <linux/build-id.h>
#include <linux/config.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/pci.h>
#include <linux/sha256.h>
#include <linux/string.h>

extern initcall_t __initcall_start[], __initcall_end[];

static char command_line[COMMAND_LINE_SIZE];

static u32 header(const u8 *boot_params, int field)
{
	return *(const u32 *) (boot_params + field);
}

static void copy_command_line(const char *given)
{
	int i;

	for (i = 0; given && given[i] && i < COMMAND_LINE_SIZE - 1; i++)
		command_line[i] = given[i];
}

/* Says whether a word of the command line is this one. */
static int asked_for(const char *word)
{
	const char *at = command_line;
	size_t length = strlen(word);

	for (;;) {
		while (*at == ' ')
			at++;
		if (!*at)
			return 0;
		if (!memcmp(at, word, length) && (!at[length] || at[length] == ' '))
			return 1;
		while (*at && *at != ' ')
			at++;
	}
}

#ifdef CONFIG_BLK_DEV_INITRD
static void report_initrd(const u8 *data, u32 size)
{
	u8 digest[SHA256_DIGEST_SIZE];
	int i;

	if (!data || !size) {
		printk("sample: no initrd\n");
		return;
	}
	sha256(data, size, digest);
	printk("sample: initrd %u bytes sha256:", size);
	for (i = 0; i < SHA256_DIGEST_SIZE; i++)
		printk("%02x", digest[i]);
	printk("\n");
}
#else
/* What Linux does without a word: the boot loader's initrd is not looked at. */
static void report_initrd(const u8 *data, u32 size)
{
	printk("sample: no initrd (CONFIG_BLK_DEV_INITRD is not set)\n");
}
#endif

static void do_initcalls(void)
{
	initcall_t *call;

	for (call = __initcall_start; call < __initcall_end; call++)
		(*call)();
}

static void finish(void)
{
	if (asked_for("kiln.then=panic"))
		panic("asked for");
	if (asked_for("kiln.then=fault"))
		__asm__ __volatile__("ud2");
	if (asked_for("kiln.then=halt")) {
		printk("sample: done, halting\n");
		halt_forever();
	}
	printk("sample: done, powering off\n");
	machine_power_off();
}

void start_kernel(const u8 *boot_params)
{
	copy_command_line((const char *) header(boot_params, HEADER_CMD_LINE_PTR));

	printk("sample: Linux version %s\n", linux_release);
	if (asked_for("kiln.then=hang"))
		halt_forever();
	printk("sample: config sha256:%s\n", config_sha256);
	printk("sample: command line: %s\n", command_line);
	report_initrd((const u8 *) header(boot_params, HEADER_RAMDISK_IMAGE),
		      header(boot_params, HEADER_RAMDISK_SIZE));
#ifdef CONFIG_PCI
	pci_init();
#endif
	do_initcalls();
	finish();
}
