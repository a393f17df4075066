/* The PCI bus: what was found on it, and the tables by which drivers name what they are for. */
#ifndef _LINUX_PCI_H
#define _LINUX_PCI_H

#include <linux/types.h>

#define PCI_ANY_ID (~0u)

/* Seven words an entry, ended by one of zeros: the form that tools read from Linux 2.4's modules. */
struct pci_device_id {
	unsigned int vendor, device;
	unsigned int subvendor, subdevice;
	unsigned int class, class_mask;
	unsigned long driver_data;
};

struct pci_dev {
	u8 bus, slot, function;
	u16 vendor, device;
};

/* arch/i386/kernel/pci-pc.c: one word of a function's configuration space; offset is a multiple of 4. */
u32 pci_conf_read(u8 bus, u8 slot, u8 function, u8 offset);
void pci_conf_write(u8 bus, u8 slot, u8 function, u8 offset, u32 value);

/* Calls visit for every function on every bus. */
void pci_conf_scan(void (*visit)(u8 bus, u8 slot, u8 function, u32 id));

/* drivers/pci/bus.c: finds all devices; looks for the first that a table names. */
void pci_init(void);
const struct pci_dev *pci_find(const struct pci_device_id *table);

/* Prints what a driver for a network card prints: the device found, or that there is none. */
int pci_report(const char *driver, const struct pci_device_id *table);

#endif
