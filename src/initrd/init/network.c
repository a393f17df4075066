#include "network.h"
#include "console.h"
#include "kernel.h"

enum { ARP_HARDWARE_ETHERNET = 1 };

/* linux/net.h, asm/socket.h, linux/sockios.h, linux/if.h, linux/route.h */
enum { CALL_SOCKET = 1, CALL_BIND = 2, CALL_SENDTO = 11, CALL_RECVFROM = 12, CALL_SETSOCKOPT = 14 };
enum { AF_INET = 2, SOCK_DGRAM = 2, SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_BROADCAST = 6, SO_BINDTODEVICE = 25 };
enum {
  SIOCADDRT = 0x890b,
  SIOCGIFFLAGS = 0x8913,
  SIOCSIFFLAGS = 0x8914,
  SIOCGIFADDR = 0x8915,
  SIOCSIFADDR = 0x8916,
  SIOCSIFBRDADDR = 0x891a,
  SIOCSIFNETMASK = 0x891c,
  SIOCSIFMTU = 0x8922,
  SIOCGIFHWADDR = 0x8927
};
enum { IFF_UP = 1, IFF_RUNNING = 0x40, RTF_UP = 1, RTF_GATEWAY = 2 };

/* linux/in.h: struct sockaddr_in; port and address in network order */
struct socket_address {
  u16 family;
  u8 port[2];
  u8 address[4];
  u8 zeros[8];
};

/* linux/if.h: struct ifreq, with the members of its union that are used here */
struct interface_request {
  char name[IF_NAME_SIZE];
  union {
    struct socket_address address;
    struct {
      u16 family;
      u8 bytes[14];
    } hardware;
    u16 flags;
    u32 mtu;
  } value;
};

/* linux/route.h: struct rtentry */
struct route {
  u32 pad1;
  struct socket_address destination;
  struct socket_address gateway;
  struct socket_address netmask;
  u16 flags;
  u16 pad2;
  u32 pad3;
  u32 pad4;
  u16 metric;
  u32 device;
  u32 mtu;
  u32 window;
  u16 initial_rtt;
};

static int socket_call(u32 call, const u32 *arguments)
{
  return call2(SYS_socketcall, call, (u32)arguments);
}

static int udp_socket(void)
{
  const u32 arguments[3] = {AF_INET, SOCK_DGRAM, 0};
  return socket_call(CALL_SOCKET, arguments);
}

static struct socket_address address_of(const u8 address[4], u32 port)
{
  struct socket_address result = {AF_INET, {0}, {0}, {0}};
  put_be16(result.port, port);
  if (address != NULL) memcpy(result.address, address, 4);
  return result;
}

static struct interface_request request_for(const char *name)
{
  struct interface_request request;
  memset(&request, 0, sizeof request);
  text_copy(request.name, IF_NAME_SIZE, name, text_length(name));
  return request;
}

/* One ioctl on a socket of its own. */
static int ask_kernel(int what, void *request)
{
  int socket = udp_socket();
  if (socket < 0) return socket;
  int result = kernel_ioctl(socket, what, (u32)request);
  kernel_close(socket);
  return result;
}

static void describe(struct network_interface *interface)
{
  struct interface_request request = request_for(interface->name);
  interface->has_hardware_address =
      ask_kernel(SIOCGIFHWADDR, &request) >= 0 && request.value.hardware.family == ARP_HARDWARE_ETHERNET;
  if (interface->has_hardware_address) memcpy(interface->hardware_address, request.value.hardware.bytes, 6);

  request = request_for(interface->name);
  request.value.address.family = AF_INET;
  /* 0.0.0.0 is none. */
  interface->has_address =
      ask_kernel(SIOCGIFADDR, &request) >= 0 && get_be32(request.value.address.address) != 0;
  if (interface->has_address) memcpy(interface->address, request.value.address.address, 4);
}

/* The next name of /proc/net/dev (`  eth0: 12 0 ...`) into `name`; where to go on, or NULL at the end. */
static const char *next_name(const char *at, char *name)
{
  while (*at != '\0') {
    at = skip_blanks(at);
    size_t length = 0;
    while (at[length] != ':' && at[length] != '\0' && !is_blank(at[length])) length++;
    int found = at[length] == ':' && length > 0 && length < IF_NAME_SIZE;
    if (found) text_copy(name, IF_NAME_SIZE, at, length);
    at = skip_line(at);
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
  kernel_close(socket);
  if (read_text("/proc/net/dev", table, sizeof table) <= 0) return 0;
  const char *at = table;
  while (count < limit && (at = next_name(at, interfaces[count].name)) != NULL) {
    if (text_equal(interfaces[count].name, "lo")) continue;
    describe(&interfaces[count]);
    count++;
  }
  return count;
}

int network_cards(void)
{
  struct network_interface interfaces[MAX_INTERFACES];
  int cards = 0;
  int count = network_interfaces(interfaces, MAX_INTERFACES);
  for (int index = 0; index < count; index++) cards += interfaces[index].has_hardware_address;
  return cards;
}

static int set_address(const char *name, int what, const u8 address[4])
{
  struct interface_request request = request_for(name);
  request.value.address = address_of(address, 0);
  return ask_kernel(what, &request);
}

static int set_up(const char *name)
{
  struct interface_request request = request_for(name);
  int error = ask_kernel(SIOCGIFFLAGS, &request);
  if (error < 0) return error;
  request.value.flags |= IFF_UP | IFF_RUNNING;
  return ask_kernel(SIOCSIFFLAGS, &request);
}

int network_up(const char *name)
{
  /* Before 2.6 an interface sends no IP until an address, were it 0.0.0.0, was set on it. */
  static const u8 none[4] = {0};
  int error = set_up(name);
  if (error >= 0) error = set_address(name, SIOCSIFADDR, none);
  /* Setting 0.0.0.0 switches off some alias interfaces. */
  return error < 0 ? error : set_up(name);
}

int network_configure(const char *name, const u8 address[4], const u8 netmask[4], const u8 broadcast[4])
{
  int error = set_address(name, SIOCSIFADDR, address);
  if (error >= 0 && get_be32(netmask) != 0) error = set_address(name, SIOCSIFNETMASK, netmask);
  if (error >= 0 && get_be32(broadcast) != 0) error = set_address(name, SIOCSIFBRDADDR, broadcast);
  return error < 0 ? error : set_up(name);
}

int network_mtu(const char *name, u32 mtu)
{
  struct interface_request request = request_for(name);
  request.value.mtu = mtu;
  return ask_kernel(SIOCSIFMTU, &request);
}

int network_default_route(const u8 router[4])
{
  struct route route;
  memset(&route, 0, sizeof route);
  route.destination = address_of(NULL, 0);
  route.netmask = address_of(NULL, 0);
  route.gateway = address_of(router, 0);
  route.flags = RTF_UP | RTF_GATEWAY;
  return ask_kernel(SIOCADDRT, &route);
}

int network_loopback(void)
{
  static const u8 loopback[4] = {127, 0, 0, 1};
  int error = set_address("lo", SIOCSIFADDR, loopback);
  return error < 0 ? error : set_up("lo");
}

static int set_option(int socket, u32 option, const void *value, u32 size)
{
  const u32 arguments[5] = {(u32)socket, SOL_SOCKET, option, (u32)value, size};
  return socket_call(CALL_SETSOCKOPT, arguments);
}

int udp_open(u32 port, const char *interface)
{
  const u32 on = 1;
  struct socket_address local = address_of(NULL, port);
  int socket = udp_socket();
  if (socket < 0) return socket;
  const u32 arguments[3] = {(u32)socket, (u32)&local, sizeof local};
  int error = set_option(socket, SO_REUSEADDR, &on, sizeof on);
  if (interface != NULL && error >= 0) error = set_option(socket, SO_BROADCAST, &on, sizeof on);
  if (interface != NULL && error >= 0) {
    struct interface_request device = request_for(interface);
    error = set_option(socket, SO_BINDTODEVICE, &device, sizeof device);
  }
  if (error >= 0) error = socket_call(CALL_BIND, arguments);
  if (error >= 0) return socket;
  kernel_close(socket);
  return error;
}

int udp_send(int socket, const u8 address[4], u32 port, const void *bytes, size_t size)
{
  struct socket_address to = address_of(address, port);
  const u32 arguments[6] = {(u32)socket, (u32)bytes, size, 0, (u32)&to, sizeof to};
  return socket_call(CALL_SENDTO, arguments);
}

u32 clock_milliseconds(void)
{
  u32 time[2] = {0, 0};
  call2(SYS_gettimeofday, (u32)time, 0);
  return time[0] * 1000 + time[1] / 1000;
}

int udp_receive(int socket, const u8 from[4], void *bytes, size_t size, u32 milliseconds)
{
  u32 start = clock_milliseconds();
  for (;;) {
    u32 passed = clock_milliseconds() - start;
    struct poll_request waiting = {socket, POLLIN, 0};
    if (passed >= milliseconds) return 0;
    if (call3(SYS_poll, (u32)&waiting, 1, milliseconds - passed) <= 0) continue;
    struct socket_address sender = address_of(NULL, 0);
    u32 sender_size = sizeof sender;
    const u32 arguments[6] = {(u32)socket, (u32)bytes, size, 0, (u32)&sender, (u32)&sender_size};
    int got = socket_call(CALL_RECVFROM, arguments);
    if (got > 0 && (from == NULL || memcmp(sender.address, from, 4) == 0)) return got;
  }
}
