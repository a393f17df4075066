#include "network.h"
#include "text.h"

enum { ARP_HARDWARE_ETHERNET = 1 };

static int udp_socket(void)
{
  u32 arguments[3] = {AF_INET, SOCK_DGRAM, 0};
  return call2(SYS_socketcall, SOCKETCALL_SOCKET, (u32)arguments);
}

static void ask(int socket, struct network_interface *interface)
{
  struct interface_request request = {{0}, 0, {0}};
  memcpy(request.name, interface->name, IF_NAME_SIZE);
  interface->has_hardware_address =
      kernel_ioctl(socket, SIOCGIFHWADDR, (u32)&request) >= 0 && request.family == ARP_HARDWARE_ETHERNET;
  if (interface->has_hardware_address) memcpy(interface->hardware_address, request.data, 6);

  memcpy(request.name, interface->name, IF_NAME_SIZE);
  request.family = AF_INET;
  /* struct sockaddr_in: two bytes of port, then the address; 0.0.0.0 is none. */
  interface->has_address = kernel_ioctl(socket, SIOCGIFADDR, (u32)&request) >= 0 &&
                           (request.data[2] | request.data[3] | request.data[4] | request.data[5]) != 0;
  if (interface->has_address) memcpy(interface->address, request.data + 2, 4);
}

/* The next name of /proc/net/dev (`  eth0: 12 0 ...`) into `name`; where to go on, or NULL at the end. */
static const char *next_name(const char *at, char *name)
{
  while (*at != '\0') {
    while (is_blank(*at)) at++;
    size_t length = 0;
    while (at[length] != ':' && at[length] != '\0' && !is_blank(at[length])) length++;
    int found = at[length] == ':' && length > 0 && length < IF_NAME_SIZE;
    if (found) {
      memset(name, 0, IF_NAME_SIZE);
      memcpy(name, at, length);
    }
    while (*at != '\n' && *at != '\0') at++;
    if (found) return at;
  }
  return NULL;
}

int network_interfaces(struct network_interface *interfaces, int limit)
{
  char table[4096];
  int count = 0;
  int socket = udp_socket();
  if (socket < 0) return socket;
  if (read_text("/proc/net/dev", table, sizeof table) > 0) {
    const char *at = table;
    while (count < limit && (at = next_name(at, interfaces[count].name)) != NULL) {
      if (text_equal(interfaces[count].name, "lo")) continue;
      ask(socket, &interfaces[count]);
      count++;
    }
  }
  kernel_close(socket);
  return count;
}
