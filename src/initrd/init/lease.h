/* Gets a lease from a DHCP server. */
#ifndef KILN_LEASE_H
#define KILN_LEASE_H

#include "dhcp.h"
#include "network.h"

/*
 * Asks on each interface that is switched on in turn, again and again with growing patience, for about a
 * minute. The index of the interface that was answered, or below 0. Says what it hears.
 */
int lease_get(const struct network_interface *interfaces, int count, struct lease *lease);

/* Asks for the options of an address that the interface has already; twice, then gives up. Whether there was an answer. */
int lease_confirm(const struct network_interface *interface, struct lease *lease);

#endif
