#include "root.h"
#include "console.h"
#include "kernel.h"
#include "modules.h"
#include "nfs.h"

#define NEW_ROOT "/mnt"

enum root_choice root_choose(const char *command_line, const struct lease *lease, char *path, size_t size)
{
  char value[64];
  command_line_value(command_line, "kiln.root", value, sizeof value);
  if (text_equal(value, "initrd")) return ROOT_IS_INITRD;
  if (command_line_value(command_line, "nfsroot", path, size) && *path != '\0') return ROOT_IS_NFS;
  text_copy(path, size, lease->root_path, text_length(lease->root_path));
  if (*path != '\0') return ROOT_IS_NFS;
  command_line_value(command_line, "root", value, sizeof value);
  return text_equal(value, "/dev/nfs") ? ROOT_IS_UNKNOWN : ROOT_IS_INITRD;
}

static int is_directory(const char *path)
{
  int directory = kernel_open(path, O_RDONLY | O_DIRECTORY);
  if (directory >= 0) kernel_close(directory);
  return directory >= 0;
}

static void load_nfs(const char *release)
{
  char known[2048];
  if (read_text("/proc/filesystems", known, sizeof known) <= 0) return;
  for (const char *at = known; *at != '\0'; at = skip_line(at)) {
    const char *name = skip_blanks(text_starts(at, "nodev") ? at + 5 : at);
    if (text_starts(name, "nfs\n")) return;
  }
  modules_load(release, "nfs", "");
}

/* As the kernel looks for them (init/main.c). */
static const char *find_init(void)
{
  static const char *const names[] = {"sbin/init", "etc/init", "bin/init", "bin/sh"};
  for (size_t index = 0; index < sizeof names / sizeof names[0]; index++)
    if (call2(SYS_access, (u32)names[index], 1) == 0) return names[index];
  return NULL;
}

/*
 * Makes the current directory the root. pivot_root puts the initrd where the new root has a place for it.
 * 2.2 has no pivot_root, and the root that a cpio archive was unpacked to can't be pivoted: there the new
 * root is entered by chroot, moved on top first where the kernel can, and the initrd stays below, out of
 * sight. (On 2.2 the way of its age, to return from /linuxrc and have the kernel mount the root, would need
 * an address and a card from the kernel itself.)
 */
static int change_root(const char **old_root)
{
  static const char *const places[] = {"oldroot", "initrd", "mnt"};
  int error = -ENOENT;
  *old_root = NULL;
  for (size_t index = 0; index < sizeof places / sizeof places[0] && error < 0; index++) {
    if (!is_directory(places[index])) continue;
    error = call2(SYS_pivot_root, (u32) ".", (u32)places[index]);
    if (error >= 0) *old_root = places[index];
  }
  /* 2.2, which has neither, would ask modprobe for a file system of no name. */
  if (error < 0 && error != -ENOSYS) kernel_mount(".", "/", "", MS_MOVE, NULL);
  error = call1(SYS_chroot, (u32) ".");
  return error < 0 ? error : call1(SYS_chdir, (u32) "/");
}

static void open_console(void)
{
  int console = kernel_open("/dev/console", O_RDWR);
  /* Without one the initrd's stays. */
  if (console < 0) return;
  for (u32 file = 0; file < 3; file++) call2(SYS_dup2, (u32)console, file);
  if (console > 2) kernel_close(console);
}

static void become_init(const char *init, char **arguments, char **environment)
{
  const char *old_root;
  char path[32] = "/";
  text_copy(path + 1, sizeof path - 1, init, text_length(init));
  call1(SYS_umount, (u32) "/proc");
  int error = change_root(&old_root);
  if (error < 0) {
    say_error("can't make the NFS root the root", "", error);
    return;
  }
  open_console();
  if (old_root == NULL) say("handing over to ", path, ", the initrd staying below it");
  else {
    struct line line;
    line_start(&line);
    line_text(&line, "handing over to ");
    line_text(&line, path);
    line_text(&line, ", the initrd at /");
    line_text(&line, old_root);
    line_say(&line);
  }
  arguments[0] = path;
  error = call3(SYS_execve, (u32)path, (u32)arguments, (u32)environment);
  say_error("can't start ", path, error);
}

/*
 * Read-only unless the root path's own options say rw, or the command line does: but next to root=/dev/ram0
 * its rw is about the RAM disk, and nodes that share a root must not write to it for that.
 */
static int is_writable(const char *command_line, const char *options)
{
  char device[32];
  struct line words;
  line_clear(&words);
  for (; *options != '\0'; options++) line_character(&words, *options == ',' ? ' ' : *options);
  if (command_line_has(line_string(&words), "ro")) return 0;
  if (command_line_has(line_string(&words), "rw")) return 1;
  command_line_value(command_line, "root", device, sizeof device);
  return !text_starts(device, "/dev/ram") && command_line_has(command_line, "rw") &&
         !command_line_has(command_line, "ro");
}

void root_enter(const char *release, const char *command_line, const struct lease *lease, const char *path,
                char **arguments, char **environment)
{
  struct line line;
  struct nfs_root root;
  line_clear(&line);
  line_address(&line, lease->address);
  char name[65];
  const char *chosen = *lease->host_name != '\0' ? lease->host_name : line_string(&line);
  text_copy(name, sizeof name, chosen, text_length(chosen));
  line_start(&line);
  if (!nfs_read_root(&root, path, lease->next_server, name, &line)) {
    line_say(&line);
    return;
  }
  int writable = is_writable(command_line, root.options);
  load_nfs(release);
  call2(SYS_mkdir, (u32)NEW_ROOT, 0755);
  if (nfs_mount(&root, NEW_ROOT, release, writable) < 0) return;
  line_start(&line);
  line_text(&line, "root ");
  line_address(&line, root.server);
  line_character(&line, ':');
  line_text(&line, root.path);
  line_text(&line, writable ? " mounted, to be written to" : " mounted read-only");
  line_say(&line);
  if (call1(SYS_chdir, (u32)NEW_ROOT) < 0) return;
  const char *init = find_init();
  if (init != NULL) become_init(init, arguments, environment);
  else say("the NFS root has no /sbin/init, nor /etc/init, /bin/init or /bin/sh", "", "");
  call1(SYS_chdir, (u32) "/");
}
