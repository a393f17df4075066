/* Gives the node's network card its driver. */
#ifndef KILN_DRIVERS_H
#define KILN_DRIVERS_H

/*
 * Loads the driver that the command line names (NIC=, IO=, IRQ=), or else those that /etc/niclist has for the
 * node's PCI cards; nothing when the kernel has an interface already. A card's next driver is tried when one
 * does not take it. The number of interfaces; below 0 when there is none although one was looked for, 0 when
 * nothing says what to look for. What was missing has been said.
 */
int drivers_load(const char *release, const char *command_line);

#endif
