/* The devices on the PCI bus: found once at boot, looked up by the drivers. */
#include <linux/config.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pci.h>

#define MAX_DEVICES 64

static struct pci_dev devices[MAX_DEVICES];
static int count;

static void found(u8 bus, u8 slot, u8 function, u32 id)
{
	struct pci_dev *dev = &devices[count];

	if (count == MAX_DEVICES)
		return;
	count++;
	dev->bus = bus;
	dev->slot = slot;
	dev->function = function;
	dev->vendor = id & 0xffff;
	dev->device = id >> 16;
#ifdef CONFIG_PCI_NAMES
	printk("sample: pci: %04x:%04x at %02x:%02x.%u\n", dev->vendor, dev->device, bus, slot, function);
#endif
}

void pci_init(void)
{
	pci_conf_scan(found);
}

static int matches(const struct pci_device_id *id, const struct pci_dev *dev)
{
	return (id->vendor == PCI_ANY_ID || id->vendor == dev->vendor) &&
	       (id->device == PCI_ANY_ID || id->device == dev->device);
}

const struct pci_dev *pci_find(const struct pci_device_id *table)
{
	const struct pci_device_id *id;
	int i;

	for (i = 0; i < count; i++)
		for (id = table; id->vendor; id++)
			if (matches(id, &devices[i]))
				return &devices[i];
	return NULL;
}

int pci_report(const char *driver, const struct pci_device_id *table)
{
	const struct pci_dev *dev = pci_find(table);

	if (dev)
		printk("sample: %s: found %04x:%04x at %02x:%02x.%u\n", driver, dev->vendor, dev->device,
		       dev->bus, dev->slot, dev->function);
	else
		printk("sample: %s: not found\n", driver);
	return dev ? 0 : -1;
}

EXPORT_SYMBOL(pci_find);
EXPORT_SYMBOL(pci_report);
