/* AMD PCnet on PCI: says which is there. */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/mii.h>
#include <linux/module.h>
#include <linux/pci.h>

static const struct pci_device_id pcnet32_table[] = {
	{ 0x1022, 0x2000, PCI_ANY_ID, PCI_ANY_ID, },	/* PCnet */
	{ 0x1022, 0x2001, PCI_ANY_ID, PCI_ANY_ID, },	/* PCnet-Home */
	{ 0, }
};
MODULE_DEVICE_TABLE(pci, pcnet32_table);

static int pcnet32_init(void)
{
	return mii_report("pcnet32", pcnet32_table);
}

static void pcnet32_exit(void)
{
}

module_init(pcnet32_init);
module_exit(pcnet32_exit);

MODULE_DESCRIPTION("AMD PCnet on PCI");
MODULE_LICENSE("MIT");
