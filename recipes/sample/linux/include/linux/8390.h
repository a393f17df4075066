/* What drivers/net/8390.c does for drivers of cards with that chip. */
#ifndef _LINUX_8390_H
#define _LINUX_8390_H

#include <linux/pci.h>

int ei_report(const char *driver, const struct pci_device_id *table);

#endif
