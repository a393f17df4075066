/* Puts what is known of the network into effect. */
#ifndef KILN_CONFIGURE_H
#define KILN_CONFIGURE_H

#include "dhcp.h"
#include "network.h"

/*
 * Brings the network up: by the kernel's own ip= where that has worked, by ip= with addresses, else by DHCP.
 * `lease` then holds what is known; whether an interface has an address. Says how.
 */
int network_start(const char *command_line, struct lease *lease);

#endif
