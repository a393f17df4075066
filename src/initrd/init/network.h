/* The kernel's network: interfaces, addresses, routes, and UDP. */
#ifndef KILN_NETWORK_H
#define KILN_NETWORK_H

#include "types.h"

enum { IF_NAME_SIZE = 16, MAX_INTERFACES = 8 };

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

/* How many of the kernel's interfaces are Ethernet's. */
int network_cards(void);

/* Switches an interface on, without an address. 0, or below 0 as the kernel says. */
int network_up(const char *name);

/* Gives an interface its address. Zeros for the netmask or the broadcast address leave those to the class. */
int network_configure(const char *name, const u8 address[4], const u8 netmask[4], const u8 broadcast[4]);
int network_mtu(const char *name, u32 mtu);
int network_default_route(const u8 router[4]);
int network_loopback(void);

/*
 * A UDP socket on that local port; on that interface alone and fit for broadcasts when one is named.
 * Below 0 as the kernel says.
 */
int udp_open(u32 port, const char *interface);
int udp_send(int socket, const u8 address[4], u32 port, const void *bytes, size_t size);
/* Waits that long for a packet, which must come from `from` unless that is NULL; its length, 0 when none came. */
int udp_receive(int socket, const u8 from[4], void *bytes, size_t size, u32 milliseconds);

/* Milliseconds since some moment. */
u32 clock_milliseconds(void);

#endif
