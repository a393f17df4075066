/* NE2000 and clones on PCI: says which is there. */
#include <linux/8390.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/pci.h>

static const struct pci_device_id ne2k_pci_table[] = {
	{ 0x10ec, 0x8029, PCI_ANY_ID, PCI_ANY_ID, },	/* RealTek RTL-8029 */
	{ 0x1050, 0x0940, PCI_ANY_ID, PCI_ANY_ID, },	/* Winbond 89C940 */
	{ 0, }
};
MODULE_DEVICE_TABLE(pci, ne2k_pci_table);

static int ne2k_pci_init(void)
{
	return ei_report("ne2k-pci", ne2k_pci_table);
}

static void ne2k_pci_exit(void)
{
}

module_init(ne2k_pci_init);
module_exit(ne2k_pci_exit);

MODULE_DESCRIPTION("NE2000 and clones on PCI");
MODULE_LICENSE("MIT");
