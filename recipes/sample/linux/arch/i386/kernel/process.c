/*
 * Power off through the power management of Intel's PIIX4 (the machine "pc" of QEMU) or ICH9 ("q35"):
 * the word at 0x40 of its configuration space leads to I/O ports, the fifth of which is PM1 control.
 * Failing that, a reset by the keyboard controller. From Intel's data sheets 290562 and 316972.
 */
#include <asm/io.h>
#include <linux/kernel.h>
#include <linux/pci.h>

#define PIIX4_POWER_MANAGEMENT 0x71138086u
#define ICH9_LPC 0x29188086u

#define PM_BASE 0x40
#define PM_BASE_MASK 0xff80
#define PM1_CONTROL 4
#define SLP_EN 0x2000		/* with sleep type 0: soft off */

#define KEYBOARD_COMMAND 0x64
#define PULSE_RESET 0xfe

static void power_off_by(u8 bus, u8 slot, u8 function, u32 id)
{
	u16 base;

	if (id != PIIX4_POWER_MANAGEMENT && id != ICH9_LPC)
		return;
	base = pci_conf_read(bus, slot, function, PM_BASE) & PM_BASE_MASK;
	if (base)
		outw(SLP_EN, base + PM1_CONTROL);
}

void machine_power_off(void)
{
	pci_conf_scan(power_off_by);
	outb(PULSE_RESET, KEYBOARD_COMMAND);
	halt_forever();
}
