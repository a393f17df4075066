/* What cards with a transceiver of its own have in common; as 8390.c, a module that others need. */
#include <linux/mii.h>
#include <linux/module.h>

int mii_report(const char *driver, const struct pci_device_id *table)
{
	return pci_report(driver, table);
}

EXPORT_SYMBOL(mii_report);

MODULE_DESCRIPTION("MII");
MODULE_LICENSE("MIT");
