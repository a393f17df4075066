/* Which network cards the node has, and which drivers /etc/niclist names for them. Pure. */
#ifndef KILN_CARDS_H
#define KILN_CARDS_H

#include "text.h"

enum { DRIVER_NAME_SIZE = 60 };

/* A PCI function, as a line of /proc/bus/pci/devices starts: bus and device, then vendor and device ids. */
struct pci_card {
  u16 place;
  u16 vendor;
  u16 device;
};

/* Reads the line at `at` of /proc/bus/pci/devices; false when it is none. */
int read_pci_card(const char *at, struct pci_card *card);

/*
 * Finds the next driver for a card in a niclist: lines of `10ec:8139 8139too`, ids in hexadecimal with or
 * without 0x, with a colon, a comma or blanks between them; what follows a # is a comment. Starts at `at`;
 * where to go on for another driver, or NULL when there is none.
 */
const char *next_driver(const char *at, const struct pci_card *card, char driver[DRIVER_NAME_SIZE]);

/*
 * Splits `NIC=ne,io=0x300,irq=9` with `IO=` and `IRQ=` into a driver and its parameters (blank-separated).
 * A comma that no name and equals sign follow belongs to a list of values. False when there is no NIC=.
 */
int named_driver(const char *command_line, char driver[DRIVER_NAME_SIZE], char *parameters, size_t size);

#endif
