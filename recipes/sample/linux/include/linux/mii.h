/* What drivers/net/mii.c does for drivers of cards with a transceiver of its own. */
#ifndef _LINUX_MII_H
#define _LINUX_MII_H

#include <linux/pci.h>

int mii_report(const char *driver, const struct pci_device_id *table);

#endif
