#include "nfs.h"
#include "console.h"
#include "kernel.h"
#include "network.h"
#include "rpc.h"

enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { PORTMAP = 100000, PORTMAP_VERSION = 2, PORTMAP_GETPORT = 3, PORTMAP_PORT = 111 };
enum { NFS = 100003, NFS_PORT = 2049, MOUNT = 100005, MOUNT_MNT = 1, FILE_HANDLE_2 = 32, FILE_HANDLE_3 = 64 };

/* linux/nfs_mount.h */
enum { NFS_SOFT = 1, NFS_INTR = 2, NFS_TCP = 0x40, NFS_VER3 = 0x80, NFS_NONLM = 0x200 };

/* linux/nfs_mount.h: struct nfs_mount_data, versions 1 to 4; every version is the start of the next. */
struct mount_data {
  u32 version;
  int file;
  u8 old_root[FILE_HANDLE_2];
  u32 flags;
  u32 read_size, write_size;
  u32 timeout, retransmissions;
  u32 cache_times[4];
  u16 family;
  u8 port[2];
  u8 address[4];
  u8 zeros[8];
  char host_name[256];
  u32 name_length;
  u32 block_size;
  u16 root_size;
  u8 root[FILE_HANDLE_3];
};

struct server {
  const u8 *address;
  int socket;
};

/* One question over UDP, asked up to five times. */
static enum rpc_outcome call(const struct server *server, u32 port, const struct rpc_message *message,
                             struct rpc_message *answer, struct rpc_results *results)
{
  static const u32 waits[] = {700, 1500, 3000, 5000, 8000};
  u32 transaction = get_be32(message->bytes);
  for (size_t round = 0; round < sizeof waits / sizeof waits[0]; round++) {
    int sent = udp_send(server->socket, server->address, port, message->bytes, message->size);
    if (sent < 0) say_error("can't send to the NFS server", "", sent);
    int got;
    while ((got = udp_receive(server->socket, server->address, answer->bytes, sizeof answer->bytes,
                              waits[round])) > 0) {
      enum rpc_outcome outcome = rpc_read(answer->bytes, (size_t)got, transaction, results);
      if (outcome != RPC_NOT_OURS) return outcome;
    }
  }
  return RPC_NOT_OURS;
}

/* The port of a program, as the server's portmapper has it; 0 when it has none or is silent. */
static u32 port_of(const struct server *server, u32 program, u32 version, u32 protocol)
{
  const struct rpc_procedure procedure = {PORTMAP, PORTMAP_VERSION, PORTMAP_GETPORT};
  struct rpc_message question, answer;
  struct rpc_results results;
  u32 port = 0;
  rpc_begin(&question, clock_milliseconds(), &procedure, "node");
  rpc_put_number(&question, program);
  rpc_put_number(&question, version);
  rpc_put_number(&question, protocol);
  rpc_put_number(&question, 0);
  if (call(server, PORTMAP_PORT, &question, &answer, &results) != RPC_ANSWERED) return 0;
  return rpc_take_number(&results, &port) && port < 65536 ? port : 0;
}

static void say_mount_error(const struct nfs_root *root, u32 status)
{
  struct line line;
  line_start(&line);
  line_text(&line, "the NFS server refuses ");
  line_text(&line, root->path);
  line_text(&line, ": ");
  line_error(&line, (int)(status & 0xffff));
  line_text(&line, status == 2    ? ": there is no such directory on it"
                   : status == 13 ? ": it must export the directory to this node"
                                  : "");
  line_say(&line);
}

/* Asks the mount daemon for the root's file handle; its length, or 0, having said why. */
static u32 file_handle(const struct server *server, const struct nfs_root *root, u32 nfs_version,
                       u8 handle[FILE_HANDLE_3])
{
  const struct rpc_procedure procedure = {MOUNT, nfs_version == 3 ? 3 : 1, MOUNT_MNT};
  struct rpc_message question, answer;
  struct rpc_results results;
  u32 status = 0;
  u32 length = FILE_HANDLE_2;
  u32 port = port_of(server, MOUNT, procedure.version, PROTOCOL_UDP);
  if (port == 0) {
    say("the NFS server has no mount daemon for NFS ", nfs_version == 3 ? "3" : "2", " over UDP, or no portmapper");
    return 0;
  }
  rpc_begin(&question, clock_milliseconds(), &procedure, "node");
  rpc_put_string(&question, root->path);
  enum rpc_outcome outcome = call(server, port, &question, &answer, &results);
  if (outcome != RPC_ANSWERED || !rpc_take_number(&results, &status)) {
    say("the NFS server's mount daemon ", outcome == RPC_NOT_OURS ? "does not answer" : "refuses the call",
        nfs_version == 2 ? ": does the server speak NFS 2, which is all that Linux 2.2 knows?" : "");
    return 0;
  }
  if (status != 0) {
    say_mount_error(root, status);
    return 0;
  }
  if (nfs_version == 3 && !rpc_take_number(&results, &length)) return 0;
  return length <= FILE_HANDLE_3 && rpc_take_bytes(&results, handle, length) ? length : 0;
}

/* Whether an option stands in the list `rsize=8192,tcp`; its number, if it has one. */
static int option(const char *options, const char *name, u32 *number)
{
  size_t length = text_length(name);
  int found = 0;
  for (const char *at = options; *at != '\0';) {
    char end = at[length];
    if (text_starts(at, name) && (end == '=' || end == ',' || end == '\0')) {
      found = 1;
      if (end == '=' && number != NULL) parse_number(at + length + 1, number);
    }
    while (*at != '\0' && *at != ',') at++;
    if (*at == ',') at++;
  }
  return found;
}

static u32 option_number(const char *options, const char *name, u32 otherwise)
{
  option(options, name, &otherwise);
  return otherwise;
}

/* The version of NFS that is asked for by v2, v3, vers= or nfsvers=; 0 for none. */
static u32 wanted_version(const char *options)
{
  if (option(options, "v3", NULL)) return 3;
  if (option(options, "v2", NULL)) return 2;
  return option_number(options, "vers", option_number(options, "nfsvers", 0));
}

static void fill_in(struct mount_data *data, const struct nfs_root *root, u32 nfs_version)
{
  const char *options = root->options;
  struct line host;
  memset(data, 0, sizeof *data);
  data->version = 4;
  data->file = -1;
  /*
   * As the kernel's own nfsroot has it. What a server prefers, 32 KiB, comes as one datagram in two dozen packets; an
   * NE2000 has room for ten, and would lose some of them however often it asks.
   */
  u32 size = option(options, "tcp", NULL) ? 0 : 4096;
  /* No lock daemon runs on a node that has no root yet. */
  data->flags = NFS_NONLM | (nfs_version == 3 ? NFS_VER3 : 0) | (option(options, "tcp", NULL) ? NFS_TCP : 0) |
                (option(options, "soft", NULL) ? NFS_SOFT : 0) | (option(options, "intr", NULL) ? NFS_INTR : 0);
  data->read_size = option_number(options, "rsize", size);
  data->write_size = option_number(options, "wsize", size);
  data->timeout = option_number(options, "timeo", 7);
  data->retransmissions = option_number(options, "retrans", 3);
  /* As mount(8) has them: files between 3 and 60 seconds, directories between 30 and 60. */
  data->cache_times[0] = option_number(options, "acregmin", 3);
  data->cache_times[1] = option_number(options, "acregmax", 60);
  data->cache_times[2] = option_number(options, "acdirmin", 30);
  data->cache_times[3] = option_number(options, "acdirmax", 60);
  data->family = 2;
  memcpy(data->address, root->server, 4);
  line_clear(&host);
  line_address(&host, root->server);
  text_copy(data->host_name, sizeof data->host_name, host.text, host.length);
  data->name_length = 255;
}

static int mount_it(const struct nfs_root *root, const char *directory, int writable, const void *data)
{
  struct line source;
  line_clear(&source);
  line_address(&source, root->server);
  line_character(&source, ':');
  line_text(&source, root->path);
  return kernel_mount(line_string(&source), directory, "nfs", writable ? 0 : MS_RDONLY, data);
}

/* For kernels that want the file handle: 2.2 knows NFS 2 and version 3 of the structure, 2.4 both and version 4. */
static int mount_by_handle(const struct server *server, const struct nfs_root *root, const char *directory,
                           const char *release, int writable, u32 nfs_version)
{
  struct mount_data data;
  fill_in(&data, root, nfs_version);
  u32 length = file_handle(server, root, nfs_version, data.root);
  if (length == 0) return -EIO;
  data.root_size = (u16)length;
  if (nfs_version == 2) memcpy(data.old_root, data.root, FILE_HANDLE_2);
  if (text_starts(release, "2.2.")) data.version = 3;
  u32 protocol = (data.flags & NFS_TCP) != 0 ? PROTOCOL_TCP : PROTOCOL_UDP;
  u32 port = option_number(root->options, "port", port_of(server, NFS, nfs_version, protocol));
  put_be16(data.port, port == 0 ? NFS_PORT : port);
  return mount_it(root, directory, writable, &data);
}

/* A socket on a port that only root has, as servers ask for. */
static int privileged_socket(void)
{
  int socket = -EBUSY;
  for (u32 port = 1000; port > 600 && socket < 0; port--) socket = udp_open(port, NULL);
  return socket;
}

static int mount_old(const struct nfs_root *root, const char *directory, const char *release, int writable)
{
  u32 wanted = wanted_version(root->options);
  struct server server = {root->server, privileged_socket()};
  int error = server.socket;
  if (error < 0) return error;
  error = -EINVAL;
  for (u32 version = text_starts(release, "2.2.") ? 2 : 3; version >= 2 && error < 0; version--)
    if (wanted == 0 || wanted == version)
      error = mount_by_handle(&server, root, directory, release, writable, version);
  kernel_close(server.socket);
  return error;
}

/* Kernels from 2.6.23 on take options as text, and ask the server's mount daemon by themselves. */
static int mount_new(const struct nfs_root *root, const char *directory, int writable)
{
  static const char *const transports[] = {"proto=tcp", "proto=udp"};
  int error = -EINVAL;
  int chosen = option(root->options, "tcp", NULL) || option(root->options, "udp", NULL) ||
               option(root->options, "proto", NULL);
  for (int index = 0; index < (chosen ? 1 : 2) && error < 0; index++) {
    struct line text;
    line_clear(&text);
    line_text(&text, "nolock,addr=");
    line_address(&text, root->server);
    if (!option(root->options, "v4", NULL) && wanted_version(root->options) == 0) line_text(&text, ",vers=3");
    if (!chosen) {
      line_character(&text, ',');
      line_text(&text, transports[index]);
    }
    if (*root->options != '\0') line_character(&text, ',');
    line_text(&text, root->options);
    error = mount_it(root, directory, writable, line_string(&text));
  }
  return error;
}

/* Whether a release is that version or a later one. */
static int is_since(const char *release, u32 major, u32 minor, u32 patch)
{
  const u32 wanted[3] = {major, minor, patch};
  for (int index = 0; index < 3; index++) {
    u32 number = 0;
    while (*release >= '0' && *release <= '9') number = number * 10 + (u32)(*release++ - '0');
    if (number != wanted[index]) return number > wanted[index];
    if (*release == '.') release++;
  }
  return 1;
}

int nfs_mount(const struct nfs_root *root, const char *directory, const char *release, int writable)
{
  int error = is_since(release, 2, 6, 23) ? mount_new(root, directory, writable)
                                          : mount_old(root, directory, release, writable);
  if (error < 0) say_error("can't mount the NFS root ", root->path, error);
  return error;
}
