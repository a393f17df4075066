/*
 * Kiln's init: the first program of a node that boots from an initrd of Kiln's making. It runs as
 * /linuxrc, /init or /sbin/init. It gives the network card its driver, gets an address, and then runs from
 * the root that the command line or DHCP names by NFS, or else from the initrd alone. It says a line on the
 * console for each step; some of them are a contract that the boot gate reads:
 *
 *   kiln: release <uname -r>
 *   kiln: <interface> <hardware address> <IPv4 address>      (or `no address`), a line for each
 *   kiln: cmdline <the kernel's command line>
 *   kiln: up <release> <interface> <IPv4 address>            a line for each interface with an address
 *   kiln: down <release> no address                          when no interface has one
 *   kiln: ready
 *
 * From the initrd alone it then does what `kiln.then=` on the kernel's command line says: poweroff, halt,
 * reboot or shell (the default). A node that could not get where it should offers a shell, and starts over
 * when nobody takes it.
 */
#include "configure.h"
#include "console.h"
#include "drivers.h"
#include "kernel.h"
#include "power.h"
#include "root.h"
#include "shell.h"

enum { COMMAND_LINE_SIZE = 4096 };

/* /dev/ram0 as the kernel numbers devices: major 1, minor 0. */
#define RAM0 "256\n"

/* A root that has this file is not left for another: so an NFS root can have this program as its init. */
#define LAST_ROOT "/etc/kiln.last-root"

/* What is known of this node. */
struct node {
  struct system_names names;
  char command_line[COMMAND_LINE_SIZE];
  char then[32];
  struct lease lease;
};

static void say_interface(const struct network_interface *interface)
{
  struct line line;
  line_start(&line);
  line_text(&line, interface->name);
  line_character(&line, ' ');
  if (!interface->has_hardware_address) line_text(&line, "-");
  else
    for (int index = 0; index < 6; index++) {
      if (index > 0) line_character(&line, ':');
      line_hex(&line, interface->hardware_address[index]);
    }
  line_character(&line, ' ');
  if (interface->has_address) line_address(&line, interface->address);
  else line_text(&line, "no address");
  line_say(&line);
}

static int say_up(const char *release, const struct network_interface *interface)
{
  struct line line;
  if (!interface->has_address) return 0;
  line_start(&line);
  line_text(&line, "up ");
  line_text(&line, release);
  line_character(&line, ' ');
  line_text(&line, interface->name);
  line_character(&line, ' ');
  line_address(&line, interface->address);
  line_say(&line);
  return 1;
}

/* The kernel opens /dev/console for init; where the image has none, or devfs hides it, we try again. */
static void open_console(void)
{
  char byte;
  if (kernel_write(1, &byte, 0) >= 0) return;
  int console = kernel_open("/dev/console", O_RDWR);
  if (console < 0) return;
  for (u32 file = 0; file < 3; file++) call2(SYS_dup2, (u32)console, file);
  if (console > 2) kernel_close(console);
}

static void mount_file_systems(void)
{
  char known[2048];
  int failed = kernel_mount("proc", "/proc", "proc", 0, NULL);
  if (failed < 0 && failed != -EBUSY) say("can't mount /proc", "", "");
  if (read_text("/proc/filesystems", known, sizeof known) <= 0) return;
  for (const char *at = known; *at != '\0'; at++) {
    /* devfs where the kernel has it; else the image's own nodes serve. */
    if (text_starts(at, "\tdevfs\n")) kernel_mount("devfs", "/dev", "devfs", 0, NULL);
  }
}

/*
 * As /linuxrc, process 1's child: the kernel will mount another root when this returns
 * (Documentation/initrd.txt). Tell it that this image is the root, and its /sbin/init runs next.
 */
static void stay_on_this_image(void)
{
  mount_file_systems();
  int file = kernel_open("/proc/sys/kernel/real-root-dev", O_WRONLY);
  if (file >= 0) {
    kernel_write(file, RAM0, sizeof RAM0 - 1);
    kernel_close(file);
  }
  call1(SYS_umount, (u32) "/dev");
  call1(SYS_umount, (u32) "/proc");
  call1(SYS_exit, file < 0);
}

static void report(const char *release, const char *command_line)
{
  struct network_interface interfaces[MAX_INTERFACES];
  int up = 0;
  int count = network_interfaces(interfaces, MAX_INTERFACES);
  for (int index = 0; index < count; index++) say_interface(&interfaces[index]);
  say("cmdline ", command_line, "");
  for (int index = 0; index < count; index++) up += say_up(release, &interfaces[index]);
  if (up == 0) say("down ", release, " no address");
  say("ready", "", "");
}

static void run_bin_sh(char **environment)
{
  char *arguments[] = {"sh", NULL};
  int child = call0(SYS_fork);
  if (child == 0) {
    call0(SYS_setsid);
    kernel_ioctl(0, TIOCSCTTY, 1);
    call3(SYS_execve, (u32) "/bin/sh", (u32)arguments, (u32)environment);
    call1(SYS_exit, 127);
  }
  call3(SYS_waitpid, (u32)child, 0, 0);
}

static void offer_shell(char **environment)
{
  if (call2(SYS_access, (u32) "/bin/sh", 1) == 0) {
    run_bin_sh(environment);
    say("/bin/sh has ended", "", "");
  }
  say("help lists what this prompt knows", "", "");
  shell_run();
  say("nobody at the console", "", "");
  power_end(POWER_HALT);
}

static void act(const char *then, char **environment)
{
  if (text_equal(then, "poweroff")) power_end(POWER_OFF);
  if (text_equal(then, "halt")) power_end(POWER_HALT);
  if (text_equal(then, "reboot")) power_end(POWER_REBOOT);
  if (*then != '\0' && !text_equal(then, "shell"))
    say("kiln.then=", then, " is none of poweroff, halt, reboot, shell");
  offer_shell(environment);
}

enum { RESTART_SECONDS = 60 };

/* Seconds until a node that failed starts over: kiln.timeout=, or the kernel's own panic=; 0 is never. */
static u32 seconds_to_restart(const char *command_line)
{
  static const char *const names[] = {"kiln.timeout", "panic"};
  char value[16];
  u32 seconds = RESTART_SECONDS;
  for (int index = 1; index >= 0; index--)
    if (command_line_value(command_line, names[index], value, sizeof value)) parse_number(value, &seconds);
  return seconds;
}

/* Waits for a line from the console; false when none comes in that time. */
static int somebody_is_there(u32 seconds)
{
  char byte;
  struct poll_request console = {0, POLLIN, 0};
  u32 time[2] = {seconds, 0};
  if (call3(SYS_poll, (u32)&console, 1, seconds * 1000) <= 0) return 0;
  if (kernel_read(0, &byte, 1) == 1) return 1;
  /* No console at all: wait all the same, the server may be back then. */
  call2(SYS_nanosleep, (u32)time, 0);
  return 0;
}

static void give_up(const struct node *node, char **environment)
{
  struct line line;
  u32 seconds = seconds_to_restart(node->command_line);
  if (*node->then != '\0') act(node->then, environment);
  if (seconds == 0) offer_shell(environment);
  line_start(&line);
  line_text(&line, "press Enter for a shell; this node starts over in ");
  line_number(&line, seconds);
  line_text(&line, " s");
  line_say(&line);
  if (somebody_is_there(seconds)) offer_shell(environment);
  power_end(POWER_REBOOT);
}

static void read_node(struct node *node)
{
  call1(SYS_newuname, (u32)&node->names);
  int length = read_text("/proc/cmdline", node->command_line, sizeof node->command_line);
  while (length > 0 && is_blank(node->command_line[length - 1])) node->command_line[--length] = '\0';
  command_line_value(node->command_line, "kiln.then", node->then, sizeof node->then);
}

/* What option 129 says counts like the command line's own words, which come last and win. */
static void add_arguments(struct node *node)
{
  char given[COMMAND_LINE_SIZE];
  const char *arguments = node->lease.arguments;
  size_t length = text_length(arguments);
  if (length == 0) return;
  memcpy(given, node->command_line, sizeof given);
  memcpy(node->command_line, arguments, length);
  node->command_line[length] = ' ';
  text_copy(node->command_line + length + 1, sizeof node->command_line - length - 1, given, text_length(given));
  command_line_value(node->command_line, "kiln.then", node->then, sizeof node->then);
}

static void bring_up(struct node *node, char **arguments, char **environment)
{
  char path[256];
  const char *release = node->names.release;
  say("release ", release, "");
  if (call2(SYS_access, (u32)LAST_ROOT, 0) == 0) {
    say("this root is the last one: it has ", LAST_ROOT, "");
    report(release, node->command_line);
    act(node->then, environment);
  }
  int cards = drivers_load(release, node->command_line);
  int is_up = cards > 0 && network_start(node->command_line, &node->lease);
  report(release, node->command_line);
  add_arguments(node);
  enum root_choice root = root_choose(node->command_line, &node->lease, path, sizeof path);
  if (is_up && root == ROOT_IS_NFS)
    root_enter(release, node->command_line, &node->lease, path, arguments, environment);
  if (root == ROOT_IS_UNKNOWN)
    say("root=/dev/nfs, and neither nfsroot= nor DHCP's root-path (option 17) says where it is", "", "");
  if (root != ROOT_IS_INITRD || (cards != 0 && !is_up)) give_up(node, environment);
  act(node->then, environment);
}

/* Called by start.S with the stack as the kernel lays it out: argc, argv, NULL, envp, NULL. */
void init_main(u32 *stack);
void init_main(u32 *stack)
{
  char **environment = (char **)(stack + stack[0] + 2);
  struct node node;
  memset(&node, 0, sizeof node);
  open_console();
  if (call0(SYS_getpid) != 1) {
    /* Started by hand on a running system: its /proc and /dev are not ours to touch. */
    if (call0(SYS_getppid) > 1) {
      say("this is a node's init, to be started by its kernel", "", "");
      call1(SYS_exit, 1);
    }
    stay_on_this_image();
  }
  mount_file_systems();
  open_console();
  read_node(&node);
  bring_up(&node, (char **)(stack + 1), environment);
}
