/* The root file system that comes after the initrd. */
#ifndef KILN_ROOT_H
#define KILN_ROOT_H

#include "dhcp.h"

enum root_choice { ROOT_IS_INITRD, ROOT_IS_NFS, ROOT_IS_UNKNOWN };

/*
 * What the node is to run from: NFS when nfsroot= or DHCP's root-path names a path, else the initrd; unknown
 * with root=/dev/nfs and no path. kiln.root=initrd has it run from the initrd whatever DHCP says. Where it
 * is NFS, `path` is what was named.
 */
enum root_choice root_choose(const char *command_line, const struct lease *lease, char *path, size_t size);

/*
 * Mounts the NFS root, makes it the root, and becomes its init with these arguments. Returns only when that
 * can't be done, the reason having been said.
 */
void root_enter(const char *release, const char *command_line, const struct lease *lease, const char *path,
                char **arguments, char **environment);

#endif
