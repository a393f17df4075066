#include "shell.h"
#include "console.h"
#include "kernel.h"
#include "modules.h"
#include "power.h"

enum { CONSOLE_IN = 0, CONSOLE_OUT = 1, MAX_WORDS = 4 };

struct command {
  const char *name;
  const char *usage;
  /* `words` holds the command's name and its arguments, missing ones as NULL. */
  void (*run)(char *words[MAX_WORDS]);
};

static void print(const char *text)
{
  kernel_write(CONSOLE_OUT, text, text_length(text));
}

static void print_failure(const char *what, const char *path)
{
  print(what);
  print(": ");
  print(path);
  print(": failed\n");
}

static void run_cat(char *words[MAX_WORDS])
{
  char buffer[512];
  int got;
  int file = words[1] == NULL ? -1 : kernel_open(words[1], O_RDONLY);
  if (file < 0) {
    print_failure("cat", words[1] == NULL ? "no file named" : words[1]);
    return;
  }
  while ((got = kernel_read(file, buffer, sizeof buffer)) > 0) kernel_write(CONSOLE_OUT, buffer, (size_t)got);
  kernel_close(file);
}

static void run_ls(char *words[MAX_WORDS])
{
  char buffer[1024] __attribute__((aligned(4)));
  int got;
  const char *path = words[1] == NULL ? "/" : words[1];
  int directory = kernel_open(path, O_RDONLY | O_DIRECTORY);
  if (directory < 0) {
    print_failure("ls", path);
    return;
  }
  while ((got = call3(SYS_getdents, (u32)directory, (u32)buffer, sizeof buffer)) > 0) {
    for (int at = 0; at < got;) {
      struct directory_entry *entry = (struct directory_entry *)(buffer + at);
      if (!text_equal(entry->name, ".") && !text_equal(entry->name, "..")) {
        print(entry->name);
        print("\n");
      }
      at += entry->length;
    }
  }
  kernel_close(directory);
}

static void run_mount(char *words[MAX_WORDS])
{
  if (words[1] == NULL) {
    char *mounts[MAX_WORDS] = {words[0], "/proc/mounts", NULL, NULL};
    run_cat(mounts);
  } else if (words[2] == NULL || words[3] == NULL) {
    print("mount TYPE DEVICE DIRECTORY\n");
  } else if (kernel_mount(words[2], words[3], words[1], 0, NULL) < 0) {
    print_failure("mount", words[3]);
  }
}

static void run_insmod(char *words[MAX_WORDS])
{
  struct system_names names;
  call1(SYS_newuname, (u32)&names);
  if (words[1] == NULL) print("insmod MODULE [NAME=VALUE]\n");
  else modules_load(names.release, words[1], words[2] == NULL ? "" : words[2]);
}

/* linux/kernel.h: the kernel's messages, all of them. */
enum { SYSLOG_READ_ALL = 3 };

static void run_dmesg(char *words[MAX_WORDS])
{
  char buffer[16384];
  (void)words;
  int got = call3(SYS_syslog, SYSLOG_READ_ALL, (u32)buffer, sizeof buffer);
  if (got > 0) kernel_write(CONSOLE_OUT, buffer, (size_t)got);
}

/* A program keeps its process: this one stays the first. */
static void run_again(char *words[MAX_WORDS])
{
  char *arguments[] = {"init", NULL};
  char *environment[] = {NULL};
  (void)words;
  call3(SYS_execve, (u32) "/sbin/init", (u32)arguments, (u32)environment);
  print_failure("again", "/sbin/init");
}

static void run_poweroff(char *words[MAX_WORDS])
{
  (void)words;
  power_end(POWER_OFF);
}

static void run_halt(char *words[MAX_WORDS])
{
  (void)words;
  power_end(POWER_HALT);
}

static void run_reboot(char *words[MAX_WORDS])
{
  (void)words;
  power_end(POWER_REBOOT);
}

static void run_help(char *words[MAX_WORDS]);

static const struct command commands[] = {
    {"help", "help                          this list\n", run_help},
    {"ls", "ls [DIRECTORY]                names in a directory\n", run_ls},
    {"cat", "cat FILE                      a file's text\n", run_cat},
    {"mount", "mount [TYPE DEVICE DIRECTORY] mounts, or lists what is mounted\n", run_mount},
    {"insmod", "insmod MODULE [NAME=VALUE]    loads a module and what it depends on\n", run_insmod},
    {"dmesg", "dmesg                         the kernel's messages\n", run_dmesg},
    {"again", "again                         starts over, without a reboot\n", run_again},
    {"reboot", "reboot\n", run_reboot},
    {"poweroff", "poweroff\n", run_poweroff},
    {"halt", "halt\n", run_halt},
    {"exit", "exit                          as poweroff\n", run_poweroff},
};

enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void run_help(char *words[MAX_WORDS])
{
  (void)words;
  for (int index = 0; index < COMMANDS; index++) print(commands[index].usage);
}

static void split(char *line, char *words[MAX_WORDS])
{
  char *at = line;
  for (int word = 0; word < MAX_WORDS; word++) {
    while (is_blank(*at)) *at++ = '\0';
    words[word] = *at == '\0' ? NULL : at;
    while (*at != '\0' && !is_blank(*at)) at++;
  }
  *at = '\0';
}

void shell_run(void)
{
  char line[256];
  char *words[MAX_WORDS];
  for (;;) {
    print("kiln# ");
    int got = kernel_read(CONSOLE_IN, line, sizeof line - 1);
    if (got <= 0) return;
    line[got] = '\0';
    split(line, words);
    if (words[0] == NULL) continue;
    int index = 0;
    while (index < COMMANDS && !text_equal(words[0], commands[index].name)) index++;
    if (index < COMMANDS) commands[index].run(words);
    else print("no such command; try help\n");
  }
}
