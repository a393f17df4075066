#include "dhcp.h"

/* Where the fields of a BOOTP message are (RFC 951). */
enum {
  BOOTP_OP = 0,
  BOOTP_HARDWARE = 1,
  BOOTP_HARDWARE_LENGTH = 2,
  BOOTP_TRANSACTION = 4,
  BOOTP_SECONDS = 8,
  BOOTP_FLAGS = 10,
  BOOTP_YOUR_ADDRESS = 16,
  BOOTP_NEXT_SERVER = 20,
  BOOTP_CLIENT_HARDWARE = 28,
  BOOTP_SERVER_NAME = 44,
  BOOTP_FILE = 108,
  BOOTP_COOKIE = 236,
  BOOTP_OPTIONS = 240
};

/* RFC 2132, but for the last two, which are LTSP's. */
enum {
  OPTION_PAD = 0,
  OPTION_NETMASK = 1,
  OPTION_ROUTER = 3,
  OPTION_NAME_SERVERS = 6,
  OPTION_HOST_NAME = 12,
  OPTION_DOMAIN = 15,
  OPTION_ROOT_PATH = 17,
  OPTION_MTU = 26,
  OPTION_BROADCAST = 28,
  OPTION_WANTED_ADDRESS = 50,
  OPTION_LEASE_TIME = 51,
  OPTION_OVERLOAD = 52,
  OPTION_TYPE = 53,
  OPTION_SERVER = 54,
  OPTION_LIST = 55,
  OPTION_MAXIMUM_SIZE = 57,
  OPTION_ETHERBOOT_MAGIC = 128,
  OPTION_ETHERBOOT_ARGUMENTS = 129,
  OPTION_END = 255
};

static const u8 cookie[4] = {99, 130, 83, 99};

/* Servers answer with what they are asked for. */
static const u8 wanted_options[] = {
    OPTION_NETMASK,    OPTION_ROUTER,    OPTION_NAME_SERVERS,    OPTION_HOST_NAME,
    OPTION_DOMAIN,     OPTION_ROOT_PATH, OPTION_MTU,             OPTION_BROADCAST,
    OPTION_LEASE_TIME, OPTION_SERVER,    OPTION_ETHERBOOT_MAGIC, OPTION_ETHERBOOT_ARGUMENTS,
};

int is_zero_address(const u8 address[4])
{
  return (address[0] | address[1] | address[2] | address[3]) == 0;
}

static u8 *put_option(u8 *at, u8 code, const void *value, u8 length)
{
  *at++ = code;
  *at++ = length;
  memcpy(at, value, length);
  return at + length;
}

void dhcp_write(u8 message[DHCP_MESSAGE_SIZE], const struct dhcp_question *question)
{
  static const u8 maximum_size[2] = {5, 220}; /* 1500 */
  memset(message, 0, DHCP_MESSAGE_SIZE);
  message[BOOTP_OP] = 1;
  message[BOOTP_HARDWARE] = 1;
  message[BOOTP_HARDWARE_LENGTH] = 6;
  put_be32(message + BOOTP_TRANSACTION, question->transaction);
  put_be16(message + BOOTP_SECONDS, question->seconds);
  /* Answer by broadcast: a kernel takes no unicast for an address that it has not got yet. */
  put_be16(message + BOOTP_FLAGS, 0x8000);
  memcpy(message + BOOTP_CLIENT_HARDWARE, question->hardware_address, 6);
  memcpy(message + BOOTP_COOKIE, cookie, 4);
  u8 *at = put_option(message + BOOTP_OPTIONS, OPTION_TYPE, &question->type, 1);
  at = put_option(at, OPTION_MAXIMUM_SIZE, maximum_size, 2);
  if (!is_zero_address(question->wanted)) at = put_option(at, OPTION_WANTED_ADDRESS, question->wanted, 4);
  if (!is_zero_address(question->server)) at = put_option(at, OPTION_SERVER, question->server, 4);
  at = put_option(at, OPTION_LIST, wanted_options, sizeof wanted_options);
  *at = OPTION_END;
}

/* An option's value, put together from all its parts. */
struct option {
  size_t length;
  u8 value[512];
};

/* Adds what one field of options has of one. */
static void gather(struct option *option, u8 code, const u8 *at, size_t size)
{
  const u8 *end = at + size;
  while (at < end && *at != OPTION_END) {
    if (*at == OPTION_PAD) {
      at++;
      continue;
    }
    if (end - at < 2 || (size_t)(end - at - 2) < at[1]) return;
    if (*at == code) {
      size_t room = sizeof option->value - option->length;
      size_t length = at[1] < room ? at[1] : room;
      memcpy(option->value + option->length, at + 2, length);
      option->length += length;
    }
    at += 2 + at[1];
  }
}

/* Looks in the options and, where a server ran out of room there, in the fields that it then uses for more. */
static size_t find_option(struct option *option, u8 code, const u8 *message, size_t size)
{
  struct option overload = {0, {0}};
  gather(&overload, OPTION_OVERLOAD, message + BOOTP_OPTIONS, size - BOOTP_OPTIONS);
  u8 fields = overload.length > 0 ? overload.value[0] : 0;
  option->length = 0;
  gather(option, code, message + BOOTP_OPTIONS, size - BOOTP_OPTIONS);
  if ((fields & 1) != 0) gather(option, code, message + BOOTP_FILE, 128);
  if ((fields & 2) != 0) gather(option, code, message + BOOTP_SERVER_NAME, 64);
  return option->length;
}

/* Where a message is and how it is read. */
struct answer {
  const u8 *message;
  size_t size;
};

static void read_address(const struct answer *answer, u8 code, u8 address[4])
{
  struct option option;
  if (find_option(&option, code, answer->message, answer->size) >= 4) memcpy(address, option.value, 4);
}

static u32 read_number(const struct answer *answer, u8 code, size_t width)
{
  struct option option;
  u32 number = 0;
  if (find_option(&option, code, answer->message, answer->size) < width) return 0;
  for (size_t index = 0; index < width; index++) number = number << 8 | option.value[index];
  return number;
}

/* Text that goes to the console and the kernel: printable ASCII that fits, or nothing. */
static void read_string(const struct answer *answer, u8 code, char *text, size_t size)
{
  struct option option;
  size_t length = find_option(&option, code, answer->message, answer->size);
  *text = '\0';
  /* Some servers send the string's zero as well. */
  while (length > 0 && option.value[length - 1] == '\0') length--;
  for (size_t index = 0; index < length; index++)
    if (option.value[index] < ' ' || option.value[index] > '~') return;
  if (length < size) text_copy(text, size, (const char *)option.value, length);
}

static void read_arguments(const struct answer *answer, struct lease *lease)
{
  static const u8 magic[6] = {0xe4, 0x45, 0x74, 0x68, 0, 0};
  struct option option;
  size_t length = find_option(&option, OPTION_ETHERBOOT_MAGIC, answer->message, answer->size);
  if (length == sizeof magic && memcmp(option.value, magic, sizeof magic) == 0)
    read_string(answer, OPTION_ETHERBOOT_ARGUMENTS, lease->arguments, sizeof lease->arguments);
}

static void read_lease(const struct answer *answer, struct lease *lease)
{
  struct option servers;
  memset(lease, 0, sizeof *lease);
  memcpy(lease->address, answer->message + BOOTP_YOUR_ADDRESS, 4);
  memcpy(lease->next_server, answer->message + BOOTP_NEXT_SERVER, 4);
  read_address(answer, OPTION_NETMASK, lease->netmask);
  read_address(answer, OPTION_BROADCAST, lease->broadcast);
  read_address(answer, OPTION_ROUTER, lease->router);
  read_address(answer, OPTION_SERVER, lease->server);
  if (is_zero_address(lease->next_server)) memcpy(lease->next_server, lease->server, 4);
  size_t length = find_option(&servers, OPTION_NAME_SERVERS, answer->message, answer->size);
  while (lease->name_server_count < MAX_NAME_SERVERS && length >= 4 * (lease->name_server_count + 1)) {
    memcpy(lease->name_servers[lease->name_server_count], servers.value + 4 * lease->name_server_count, 4);
    lease->name_server_count++;
  }
  lease->seconds = read_number(answer, OPTION_LEASE_TIME, 4);
  lease->mtu = read_number(answer, OPTION_MTU, 2);
  read_string(answer, OPTION_HOST_NAME, lease->host_name, sizeof lease->host_name);
  read_string(answer, OPTION_DOMAIN, lease->domain, sizeof lease->domain);
  read_string(answer, OPTION_ROOT_PATH, lease->root_path, sizeof lease->root_path);
  read_arguments(answer, lease);
}

int dhcp_read(const u8 *message, size_t size, const struct dhcp_question *question, struct lease *lease)
{
  struct answer answer = {message, size};
  if (size < BOOTP_OPTIONS || message[BOOTP_OP] != 2 || memcmp(message + BOOTP_COOKIE, cookie, 4) != 0 ||
      get_be32(message + BOOTP_TRANSACTION) != question->transaction ||
      memcmp(message + BOOTP_CLIENT_HARDWARE, question->hardware_address, 6) != 0)
    return DHCP_NOTHING;
  u32 type = read_number(&answer, OPTION_TYPE, 1);
  if (type == DHCP_NAK) return DHCP_NAK;
  if (type != DHCP_OFFER && type != DHCP_ACK && type != 0) return DHCP_NOTHING;
  read_lease(&answer, lease);
  if (is_zero_address(lease->address)) return DHCP_NOTHING;
  return type == 0 ? BOOTP_REPLY : (int)type;
}
