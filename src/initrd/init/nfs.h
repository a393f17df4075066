/* NFS: what a root path says, and mounting it in the way that the kernel's age wants. */
#ifndef KILN_NFS_H
#define KILN_NFS_H

#include "text.h"

/* What `[server:]path[,option,...]` says; nfsroot= and DHCP's root-path have that form. */
struct nfs_root {
  u8 server[4];
  char path[256];
  char options[256];
};

/*
 * Reads one. `server` is who serves it when the text names nobody, `name` what %s in it stands for. False
 * with the reason in `fault` for a server that is no IPv4 address, or a path that does not start with /.
 */
int nfs_read_root(struct nfs_root *root, const char *text, const u8 server[4], const char *name,
                  struct line *fault);

/*
 * Mounts it; read-only unless told. Kernels from 2.6.23 on ask the server themselves; for older ones the
 * server's mount daemon is asked here. 0, or below 0 when it can't be done, the reason having been said.
 */
int nfs_mount(const struct nfs_root *root, const char *directory, const char *release, int writable);

#endif
