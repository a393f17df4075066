/* PCI configuration space by mechanism 1 of the PCI Local Bus Specification: ports 0xcf8 and 0xcfc. */
#include <asm/io.h>
#include <linux/pci.h>

#define ADDRESS 0xcf8
#define DATA 0xcfc
#define ENABLE 0x80000000u
#define HEADER_TYPE 0x0c	/* the word with the header type in bits 16 to 23 */
#define MULTI_FUNCTION 0x00800000u
#define NO_DEVICE 0xffff	/* the vendor that empty slots show */

static void address(u8 bus, u8 slot, u8 function, u8 offset)
{
	outl(ENABLE | bus << 16 | slot << 11 | function << 8 | (offset & 0xfc), ADDRESS);
}

u32 pci_conf_read(u8 bus, u8 slot, u8 function, u8 offset)
{
	address(bus, slot, function, offset);
	return inl(DATA);
}

void pci_conf_write(u8 bus, u8 slot, u8 function, u8 offset, u32 value)
{
	address(bus, slot, function, offset);
	outl(value, DATA);
}

static int has_pci(void)
{
	outl(ENABLE, ADDRESS);
	return inl(ADDRESS) == ENABLE;
}

static void scan_slot(u8 bus, u8 slot, void (*visit)(u8 bus, u8 slot, u8 function, u32 id))
{
	int function, functions = 1;
	u32 id;

	for (function = 0; function < functions; function++) {
		id = pci_conf_read(bus, slot, function, 0);
		if ((id & 0xffff) == NO_DEVICE)
			continue;
		if (pci_conf_read(bus, slot, function, HEADER_TYPE) & MULTI_FUNCTION)
			functions = 8;
		visit(bus, slot, function, id);
	}
}

void pci_conf_scan(void (*visit)(u8 bus, u8 slot, u8 function, u32 id))
{
	int bus, slot;

	if (!has_pci())
		return;
	for (bus = 0; bus < 256; bus++)
		for (slot = 0; slot < 32; slot++)
			scan_slot(bus, slot, visit);
}
