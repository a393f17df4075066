/* Gives the node's network card its driver. */
#ifndef KILN_DRIVERS_H
#define KILN_DRIVERS_H

/*
 * Loads the driver that the command line names (NIC=, IO=, IRQ=), or else those that /etc/niclist has for the
 * node's PCI cards; nothing when the kernel has an interface already. A card's next driver is tried when one
 * does not take it. The number of interfaces; when it is 0, what was missing has been said.
 */
int drivers_load(const char *release, const char *command_line);

#endif
