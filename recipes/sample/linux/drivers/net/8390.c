/*
 * What cards with an 8390 have in common. There is little of that here: it is the module that others need,
 * so that module dependencies can be tried.
 */
#include <linux/8390.h>
#include <linux/module.h>

int ei_report(const char *driver, const struct pci_device_id *table)
{
	return pci_report(driver, table);
}

EXPORT_SYMBOL(ei_report);

MODULE_DESCRIPTION("8390");
MODULE_LICENSE("MIT");
