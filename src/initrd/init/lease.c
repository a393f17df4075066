#include "lease.h"
#include "console.h"
#include "kernel.h"

static const u8 everybody[4] = {255, 255, 255, 255};

/* Milliseconds that each round waits for an answer. */
static const u32 patience[] = {2000, 4000, 8000, 16000, 16000, 16000};

enum { ROUNDS = sizeof patience / sizeof patience[0], REQUEST_PATIENCE = 3000, REQUESTS = 2 };

struct conversation {
  int socket;
  u32 started;
  struct dhcp_question question;
};

static int begin(struct conversation *conversation, const struct network_interface *interface)
{
  memset(conversation, 0, sizeof *conversation);
  conversation->started = clock_milliseconds();
  memcpy(conversation->question.hardware_address, interface->hardware_address, 6);
  /* Nodes that are switched on together differ in their hardware address at least. */
  conversation->question.transaction =
      conversation->started * 2654435761u ^ get_be32(interface->hardware_address + 2);
  conversation->socket = udp_open(DHCP_CLIENT_PORT, interface->name);
  if (conversation->socket < 0) say_error("can't ask DHCP on ", interface->name, conversation->socket);
  return conversation->socket;
}

/* Sends the question and waits for an answer of a type that fits it. */
static int ask(struct conversation *conversation, u8 type, u32 milliseconds, struct lease *lease)
{
  u8 message[1500];
  u32 start = clock_milliseconds();
  conversation->question.type = type;
  conversation->question.seconds = (start - conversation->started) / 1000;
  dhcp_write(message, &conversation->question);
  int sent = udp_send(conversation->socket, everybody, DHCP_SERVER_PORT, message, DHCP_MESSAGE_SIZE);
  if (sent < 0) say_error("can't send to DHCP", "", sent);
  for (;;) {
    u32 passed = clock_milliseconds() - start;
    if (passed >= milliseconds) return DHCP_NOTHING;
    int got = udp_receive(conversation->socket, NULL, message, sizeof message, milliseconds - passed);
    if (got <= 0) return DHCP_NOTHING;
    int answer = dhcp_read(message, (size_t)got, &conversation->question, lease);
    int fits = type == DHCP_DISCOVER ? answer == DHCP_OFFER : answer == DHCP_ACK || answer == DHCP_NAK;
    if (fits || answer == BOOTP_REPLY) return answer;
  }
}

static int request(struct conversation *conversation, const u8 wanted[4], const u8 server[4], struct lease *lease)
{
  memcpy(conversation->question.wanted, wanted, 4);
  memcpy(conversation->question.server, server, 4);
  for (int round = 0; round < REQUESTS; round++) {
    int answer = ask(conversation, DHCP_REQUEST, REQUEST_PATIENCE, lease);
    if (answer == DHCP_ACK || answer == BOOTP_REPLY) return 1;
    if (answer == DHCP_NAK) {
      say("DHCP: the server says no to that address", "", "");
      return 0;
    }
  }
  return 0;
}

/* One round on one interface. */
static int try_interface(const struct network_interface *interface, u32 milliseconds, struct lease *lease)
{
  struct conversation conversation;
  int done = 0;
  if (begin(&conversation, interface) < 0) return 0;
  int answer = ask(&conversation, DHCP_DISCOVER, milliseconds, lease);
  if (answer == BOOTP_REPLY) done = 1;
  if (answer == DHCP_OFFER) {
    struct lease offer = *lease;
    done = request(&conversation, offer.address, offer.server, lease);
  }
  if (answer == DHCP_NOTHING) say("DHCP on ", interface->name, ": no answer yet");
  kernel_close(conversation.socket);
  return done;
}

int lease_get(const struct network_interface *interfaces, int count, struct lease *lease)
{
  for (int round = 0; round < ROUNDS; round++)
    for (int index = 0; index < count; index++)
      /* A second at most on top, so that a room of nodes does not ask in step for ever. */
      if (try_interface(&interfaces[index], patience[round] + clock_milliseconds() % 1000, lease)) return index;
  return -ETIMEDOUT;
}

int lease_confirm(const struct network_interface *interface, struct lease *lease)
{
  static const u8 any_server[4] = {0};
  struct conversation conversation;
  if (begin(&conversation, interface) < 0) return 0;
  int done = request(&conversation, interface->address, any_server, lease);
  kernel_close(conversation.socket);
  return done;
}
