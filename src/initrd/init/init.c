/*
 * Kiln's init: the first program of a node that boots from an initrd of Kiln's making. It runs as
 * /linuxrc, /init or /sbin/init. What it says on the console is a contract that the boot gate reads:
 *
 *   kiln: release <uname -r>
 *   kiln: <interface> <hardware address> <IPv4 address>      (or `no address`), a line for each
 *   kiln: cmdline <the kernel's command line>
 *   kiln: up <release> <interface> <IPv4 address>            a line for each interface with an address
 *   kiln: down <release> no address                          when no interface has one
 *   kiln: ready
 *
 * Then it does what `kiln.then=` on the kernel's command line says: poweroff, halt, reboot or shell
 * (the default).
 */
#include "configure.h"
#include "console.h"
#include "drivers.h"
#include "kernel.h"
#include "power.h"
#include "shell.h"

enum { COMMAND_LINE_SIZE = 4096 };

/* /dev/ram0 as the kernel numbers devices: major 1, minor 0. */
#define RAM0 "256\n"

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

/* Called by start.S with the stack as the kernel lays it out: argc, argv, NULL, envp, NULL. */
void init_main(u32 *stack);
void init_main(u32 *stack)
{
  char **environment = (char **)(stack + stack[0] + 2);
  char command_line[COMMAND_LINE_SIZE];
  char then[32];
  struct system_names names;

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

  call1(SYS_newuname, (u32)&names);
  int length = read_text("/proc/cmdline", command_line, sizeof command_line);
  if (length < 0) command_line[0] = '\0';
  while (length > 0 && is_blank(command_line[length - 1])) command_line[--length] = '\0';
  say("release ", names.release, "");
  struct lease lease;
  if (drivers_load(names.release, command_line) > 0) network_start(command_line, &lease);
  report(names.release, command_line);
  command_line_value(command_line, "kiln.then", then, sizeof then);
  act(then, environment);
}
