/* Sun RPC (RFC 5531) over UDP, as far as mounting takes it: the messages, pure. */
#ifndef KILN_RPC_H
#define KILN_RPC_H

#include "text.h"

enum { RPC_MESSAGE_SIZE = 1400 };

struct rpc_message {
  size_t size;
  u8 bytes[RPC_MESSAGE_SIZE];
};

struct rpc_procedure {
  u32 program;
  u32 version;
  u32 procedure;
};

/* Starts a call, as root of that machine (AUTH_UNIX). */
void rpc_begin(struct rpc_message *message, u32 transaction, const struct rpc_procedure *procedure,
               const char *machine);
void rpc_put_number(struct rpc_message *message, u32 number);
/* Whether there was room for it. */
int rpc_put_string(struct rpc_message *message, const char *text);

/* Where an answer's results are, and how much of it is left. */
struct rpc_results {
  const u8 *at;
  size_t left;
};

enum rpc_outcome { RPC_ANSWERED, RPC_REFUSED, RPC_NOT_OURS };

/* Reads the head of an answer to that transaction. */
enum rpc_outcome rpc_read(const u8 *message, size_t size, u32 transaction, struct rpc_results *results);
/* Takes the next number, or the next so many bytes, out of the results; false when there are no more. */
int rpc_take_number(struct rpc_results *results, u32 *number);
int rpc_take_bytes(struct rpc_results *results, u8 *bytes, u32 count);

#endif
