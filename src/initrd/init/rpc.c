#include "rpc.h"

enum { RPC_CALL = 0, RPC_REPLY = 1, RPC_VERSION = 2, AUTH_NONE = 0, AUTH_UNIX = 1, ACCEPTED = 0, SUCCESS = 0 };

void rpc_put_number(struct rpc_message *message, u32 number)
{
  if (message->size + 4 > sizeof message->bytes) return;
  put_be32(message->bytes + message->size, number);
  message->size += 4;
}

int rpc_put_string(struct rpc_message *message, const char *text)
{
  size_t length = text_length(text);
  size_t padded = (length + 3) & ~(size_t)3;
  if (message->size + 4 + padded > sizeof message->bytes) return 0;
  rpc_put_number(message, (u32)length);
  memset(message->bytes + message->size, 0, padded);
  memcpy(message->bytes + message->size, text, length);
  message->size += padded;
  return 1;
}

void rpc_begin(struct rpc_message *message, u32 transaction, const struct rpc_procedure *procedure,
               const char *machine)
{
  const u32 head[] = {transaction,        RPC_CALL,           RPC_VERSION,          procedure->program,
                      procedure->version, procedure->procedure, AUTH_UNIX};
  message->size = 0;
  for (size_t index = 0; index < sizeof head / sizeof head[0]; index++) rpc_put_number(message, head[index]);
  size_t length_at = message->size;
  rpc_put_number(message, 0);
  rpc_put_number(message, transaction);
  if (!rpc_put_string(message, machine)) rpc_put_string(message, "node");
  /* User 0, group 0, no more groups. */
  for (int index = 0; index < 3; index++) rpc_put_number(message, 0);
  put_be32(message->bytes + length_at, (u32)(message->size - length_at - 4));
  rpc_put_number(message, AUTH_NONE);
  rpc_put_number(message, 0);
}

int rpc_take_number(struct rpc_results *results, u32 *number)
{
  if (results->left < 4) return 0;
  *number = get_be32(results->at);
  results->at += 4;
  results->left -= 4;
  return 1;
}

int rpc_take_bytes(struct rpc_results *results, u8 *bytes, u32 count)
{
  if (count > results->left) return 0;
  memcpy(bytes, results->at, count);
  results->at += count;
  results->left -= count;
  return 1;
}

enum rpc_outcome rpc_read(const u8 *message, size_t size, u32 transaction, struct rpc_results *results)
{
  u32 id, type, accepted, flavour, length, status;
  *results = (struct rpc_results){message, size};
  if (!rpc_take_number(results, &id) || id != transaction || !rpc_take_number(results, &type) ||
      type != RPC_REPLY)
    return RPC_NOT_OURS;
  if (!rpc_take_number(results, &accepted) || accepted != ACCEPTED) return RPC_REFUSED;
  if (!rpc_take_number(results, &flavour) || !rpc_take_number(results, &length)) return RPC_REFUSED;
  /* The server's verifier, which proves nothing without security. */
  if (length > 400 || ((length + 3) & ~3u) > results->left) return RPC_REFUSED;
  results->at += (length + 3) & ~3u;
  results->left -= (length + 3) & ~3u;
  return rpc_take_number(results, &status) && status == SUCCESS ? RPC_ANSWERED : RPC_REFUSED;
}
