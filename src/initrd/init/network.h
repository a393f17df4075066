/* What the kernel says of the network interfaces. */
#ifndef KILN_NETWORK_H
#define KILN_NETWORK_H

#include "kernel.h"

struct network_interface {
  char name[IF_NAME_SIZE];
  int has_hardware_address;
  u8 hardware_address[6];
  int has_address;
  u8 address[4];
};

/*
 * Fills `interfaces` with up to `limit` interfaces in the kernel's order, the loopback left out; their
 * number, or below 0 when this kernel has no IP.
 */
int network_interfaces(struct network_interface *interfaces, int limit);

#endif
