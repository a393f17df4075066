/* DHCP's messages (RFC 2131, 2132, 3396), pure: made and read as bytes. */
#ifndef KILN_DHCP_H
#define KILN_DHCP_H

#include "text.h"

enum { DHCP_DISCOVER = 1, DHCP_OFFER = 2, DHCP_REQUEST = 3, DHCP_ACK = 5, DHCP_NAK = 6, DHCP_NOTHING = 0, BOOTP_REPLY = 100 };
enum { DHCP_CLIENT_PORT = 68, DHCP_SERVER_PORT = 67, DHCP_MESSAGE_SIZE = 548, MAX_NAME_SERVERS = 3 };

/* What a server gave; an address of zeros and an empty string are things that it did not give. */
struct lease {
  u8 address[4];
  u8 netmask[4];
  u8 broadcast[4];
  u8 router[4];
  /* The server that gave the lease, and the one that siaddr or option 54 names for files. */
  u8 server[4];
  u8 next_server[4];
  u8 name_servers[MAX_NAME_SERVERS][4];
  u32 name_server_count;
  u32 seconds;
  u32 mtu;
  char host_name[65];
  char domain[129];
  char root_path[256];
  /* Option 129, where option 128 is E4:45:74:68:00:00 as LTSP and Etherboot have it: words for the command line. */
  char arguments[256];
};

struct dhcp_question {
  u8 type;
  u32 transaction;
  u8 hardware_address[6];
  u32 seconds;
  /* For a request: the address wanted, and the server that offered it (zeros: any that knows of it). */
  u8 wanted[4];
  u8 server[4];
};

/* Writes a message of DHCP_MESSAGE_SIZE bytes. */
void dhcp_write(u8 message[DHCP_MESSAGE_SIZE], const struct dhcp_question *question);

/*
 * Reads a server's answer: its type when it is one to this question (BOOTP_REPLY from a server that knows
 * no DHCP), else DHCP_NOTHING. The lease is filled in for offers, acks and BOOTP.
 */
int dhcp_read(const u8 *message, size_t size, const struct dhcp_question *question, struct lease *lease);

int is_zero_address(const u8 address[4]);

#endif
