#include "configure.h"
#include "console.h"
#include "kernel.h"
#include "lease.h"

/* The fields of ip=client:server:gateway:netmask:name:device:how (Documentation/nfsroot.txt). */
enum { IP_CLIENT, IP_SERVER, IP_GATEWAY, IP_NETMASK, IP_NAME, IP_DEVICE, IP_HOW, IP_FIELDS };

struct ip_argument {
  char fields[IP_FIELDS][65];
};

static void read_ip_argument(const char *command_line, struct ip_argument *argument)
{
  char text[256];
  const char *at = text;
  command_line_value(command_line, "ip", text, sizeof text);
  for (int index = 0; index < IP_FIELDS; index++) {
    size_t length = 0;
    while (at[length] != ':' && at[length] != '\0') length++;
    text_copy(argument->fields[index], sizeof argument->fields[index], at, length);
    at += length + (at[length] == ':');
  }
}

/* The lease that ip= with an address stands for; false when it has none. */
static int lease_from_argument(const struct ip_argument *argument, struct lease *lease)
{
  memset(lease, 0, sizeof *lease);
  if (parse_address(argument->fields[IP_CLIENT], lease->address) == NULL) return 0;
  parse_address(argument->fields[IP_SERVER], lease->next_server);
  parse_address(argument->fields[IP_GATEWAY], lease->router);
  parse_address(argument->fields[IP_NETMASK], lease->netmask);
  text_copy(lease->host_name, sizeof lease->host_name, argument->fields[IP_NAME],
            text_length(argument->fields[IP_NAME]));
  return !is_zero_address(lease->address);
}

static void say_lease(const char *interface, const struct lease *lease, const char *source)
{
  struct line line;
  line_start(&line);
  line_text(&line, source);
  line_text(&line, " on ");
  line_text(&line, interface);
  line_text(&line, ": ");
  line_address(&line, lease->address);
  if (!is_zero_address(lease->netmask)) {
    line_character(&line, '/');
    line_address(&line, lease->netmask);
  }
  if (!is_zero_address(lease->router)) {
    line_text(&line, " by way of ");
    line_address(&line, lease->router);
  }
  if (!is_zero_address(lease->server)) {
    line_text(&line, " from ");
    line_address(&line, lease->server);
  }
  line_say(&line);
  if (*lease->host_name != '\0') say("DHCP says host name ", lease->host_name, "");
  if (*lease->root_path != '\0') say("DHCP says root path ", lease->root_path, "");
  if (*lease->arguments != '\0') say("DHCP says arguments ", lease->arguments, "");
}

static void line_setting(struct line *line, const char *name, const char *value)
{
  if (*value == '\0') return;
  line_text(line, name);
  line_text(line, value);
  line_character(line, '\n');
}

static void line_address_setting(struct line *line, const char *name, const u8 address[4])
{
  if (is_zero_address(address)) return;
  line_text(line, name);
  line_address(line, address);
  line_character(line, '\n');
}

static void write_resolver(const struct lease *lease)
{
  struct line line;
  line_clear(&line);
  line_setting(&line, "search ", lease->domain);
  for (u32 index = 0; index < lease->name_server_count; index++)
    line_address_setting(&line, "nameserver ", lease->name_servers[index]);
  if (line.length > 0) write_text("/etc/resolv.conf", line_string(&line));
}

/* For the programs of the root file system, which find it below the old root: names of a shell's variables. */
static void write_lease(const char *interface, const struct lease *lease)
{
  struct line line;
  line_clear(&line);
  line_setting(&line, "INTERFACE=", interface);
  line_address_setting(&line, "IPADDR=", lease->address);
  line_address_setting(&line, "NETMASK=", lease->netmask);
  line_address_setting(&line, "GATEWAY=", lease->router);
  line_address_setting(&line, "DHCPSERVER=", lease->server);
  line_address_setting(&line, "NEXTSERVER=", lease->next_server);
  line_setting(&line, "HOSTNAME=", lease->host_name);
  line_setting(&line, "DOMAIN=", lease->domain);
  if (lease->seconds != 0) {
    line_text(&line, "LEASETIME=");
    line_number(&line, lease->seconds);
    line_character(&line, '\n');
  }
  write_text("/etc/dhcp.info", line_string(&line));
}

/* What a lease says besides the address. */
static void apply_names(const char *interface, const struct lease *lease)
{
  if (*lease->host_name != '\0')
    call2(SYS_sethostname, (u32)lease->host_name, text_length(lease->host_name));
  write_resolver(lease);
  write_lease(interface, lease);
}

static int apply(const char *interface, const struct lease *lease)
{
  int error = network_configure(interface, lease->address, lease->netmask, lease->broadcast);
  if (error < 0) {
    say_error("can't give an address to ", interface, error);
    return 0;
  }
  /* RFC 791 has every network carry packets of 68 bytes; less is a server's mistake. */
  if (lease->mtu >= 68) network_mtu(interface, lease->mtu);
  error = is_zero_address(lease->router) ? 0 : network_default_route(lease->router);
  if (error < 0 && error != -EEXIST) say_error("can't set the route by way of the router", "", error);
  apply_names(interface, lease);
  return 1;
}

/* The kernel's ip= came first: its address stays, DHCP is asked for the rest. */
static int adopt(const struct network_interface *interface, const struct ip_argument *argument,
                 struct lease *lease)
{
  struct lease answer;
  int fixed = lease_from_argument(argument, lease);
  memcpy(lease->address, interface->address, 4);
  say_lease(interface->name, lease, "the kernel's own ip=");
  if (!fixed && lease_confirm(interface, &answer) && memcmp(answer.address, lease->address, 4) == 0) {
    *lease = answer;
    say_lease(interface->name, lease, "DHCP");
  }
  apply_names(interface->name, lease);
  return 1;
}

/* BOOTIF=01-52-54-00-12-34-56, as PXELINUX's IPAPPEND 2 adds it: the card that the node booted from. */
static int is_boot_interface(const struct network_interface *interface, const char *boot)
{
  struct line line;
  line_clear(&line);
  line_text(&line, "01");
  for (int index = 0; index < 6; index++) {
    line_character(&line, '-');
    line_hex(&line, interface->hardware_address[index]);
  }
  return text_equal(line_string(&line), boot);
}

/* Keeps those that can be asked, switched on; only the one that was booted from, or that ip= names, where there is one. */
static int usable(struct network_interface *interfaces, int count, const char *device, const char *boot)
{
  int kept = 0;
  for (int index = 0; index < count; index++) {
    if (!interfaces[index].has_hardware_address) continue;
    if (*device != '\0' && !text_equal(interfaces[index].name, device)) continue;
    int error = network_up(interfaces[index].name);
    if (error < 0) {
      say_error("can't switch on ", interfaces[index].name, error);
      continue;
    }
    if (is_boot_interface(&interfaces[index], boot)) {
      interfaces[0] = interfaces[index];
      return 1;
    }
    interfaces[kept++] = interfaces[index];
  }
  return kept;
}

int network_start(const char *command_line, struct lease *lease)
{
  struct network_interface interfaces[MAX_INTERFACES];
  struct ip_argument argument;
  char boot[32];
  network_loopback();
  read_ip_argument(command_line, &argument);
  command_line_value(command_line, "BOOTIF", boot, sizeof boot);
  int count = network_interfaces(interfaces, MAX_INTERFACES);
  for (int index = 0; index < count; index++)
    if (interfaces[index].has_address) return adopt(&interfaces[index], &argument, lease);
  count = usable(interfaces, count, argument.fields[IP_DEVICE], boot);
  if (count == 0) return 0;
  if (lease_from_argument(&argument, lease)) {
    say_lease(interfaces[0].name, lease, "ip=");
    return apply(interfaces[0].name, lease);
  }
  int answered = lease_get(interfaces, count, lease);
  if (answered < 0) {
    say("no DHCP server answers: is the cable in, and a server on this network?", "", "");
    return 0;
  }
  say_lease(interfaces[answered].name, lease, "DHCP");
  return apply(interfaces[answered].name, lease);
}
