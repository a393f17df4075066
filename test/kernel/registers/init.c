/*
 * Calls every system call of Linux/i386 that returns, in many ways, with known values in all registers, and says
 * which calls gave a register back changed. (Arguments lie where the caller's registers are saved, so a compiler
 * that uses them as scratch space changes the caller.) It runs as process 1 and prints:
 *
 *   kiln: registers succeeded 3 4 5 ...      numbers of the calls that did what they were asked at least once
 *   kiln: registers refused 86 ...           those that always returned an error
 *   kiln: registers silent 1 ...             those that never returned
 *   kiln: registers changed <number> <register> <before> <after>    one line for each finding
 *   kiln: registers iopl <level>             the I/O privilege level that this process has after iopl(3)
 *   kiln: registers done
 */
#include "../../../src/initrd/init/console.h"
#include "../../../src/initrd/init/kernel.h"

enum { LAST_CALL = 260, RANDOM_TRIES = 12, LIMIT_US = 30000, PATIENCE_US = 2000000 };
enum { SYS_kill = 37, SYS_pipe = 42, SYS_setitimer = 104, SYS_wait4 = 114, SYS_clone = 120 };
enum { SYS_sigreturn = 119, SYS_rt_sigreturn = 173, SYS_rt_sigaction = 174, SYS_mmap2 = 192, SYS_vfork = 190, SYS_iopl = 110 };
enum { SOCKETCALL_SOCKET = 1, AF_INET = 2, SOCK_DGRAM = 2 };
enum { SIGKILL = 9, SIGALRM = 14, WUNTRACED = 2, SA_RESTORER = 0x04000000, SA_SIGINFO = 4 };
enum { O_CREAT_RDWR = 0102, PROT_READ_WRITE = 3, MAP_SHARED_ANONYMOUS = 0x21, PAGE = 4096 };
enum { MARK = 0x5a000000, EINTR = 4 };

/* In the order in which probe.S loads them. */
struct registers {
  u32 value[7];
};
enum { EAX, FIRST_CHECKED, REGISTERS = 7 };
static const char *const names[REGISTERS] = {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp"};

void probe(struct registers *registers);
void on_alarm(void);
void restore(void);
extern struct registers *child_registers;

/* What a try leaves, in memory that all processes share. */
struct outcome {
  u32 returned;
  struct registers after;
  struct registers child;
};
static struct outcome *outcome;

static u8 buffer[512 * 1024] __attribute__((aligned(4096)));
static u32 zeros[1024] __attribute__((aligned(4096)));
static u8 *area; /* Right behind `outcome`: two mappings side by side. */
static char path[] = "/tmp/file", directory[] = "/tmp", missing[] = "/tmp/missing", other[] = "/tmp/other";
static u32 pipe_ends[2];
static int file, folder, udp;

static u32 poll_files[4], tick[2] = {0, 10000000}, vectors[4], message[8] = {1, 0x41414141};
static u32 send_to[6], receive_from[6], udp_arguments[3] = {AF_INET, SOCK_DGRAM, 0};
static u32 selection[5], bits[8] = {0xff}, timeout[2] = {0, 10000};
static u16 loopback[8] = {AF_INET, 0x0900, 0x007f, 0x0100};
static u32 offset[2], sysctl_name[2] = {1, 4}, sysctl_arguments[10], mapping[6], sound_size[1] = {256};

struct trial {
  u8 number;
  u32 argument[5];
};

#define P(thing) ((u32)(thing))
static struct trial trials[80];
static int trial_count;

static void add(u8 number, u32 a, u32 b, u32 c, u32 d, u32 e)
{
  struct trial *trial = &trials[trial_count++];
  trial->number = number;
  trial->argument[0] = a, trial->argument[1] = b, trial->argument[2] = c;
  trial->argument[3] = d, trial->argument[4] = e;
}

/* Calls that succeed, and that take the long way through the kernel. */
static void plan_trials(void)
{
  poll_files[0] = pipe_ends[0], poll_files[1] = 1, poll_files[2] = pipe_ends[1], poll_files[3] = 4;
  vectors[0] = P(buffer), vectors[1] = 100, vectors[2] = P(buffer + PAGE), vectors[3] = 50;
  send_to[0] = receive_from[0] = (u32)udp, send_to[1] = receive_from[1] = P(buffer);
  send_to[2] = receive_from[2] = 64, send_to[4] = P(loopback), send_to[5] = sizeof loopback;
  selection[0] = 8, selection[1] = P(bits), selection[4] = P(timeout);
  sysctl_arguments[0] = P(sysctl_name), sysctl_arguments[1] = 2, sysctl_arguments[2] = P(buffer);
  sysctl_arguments[3] = P(sound_size);
  mapping[1] = 2 * PAGE, mapping[2] = PROT_READ_WRITE, mapping[3] = 0x22, mapping[4] = ~0u;

  add(3, (u32)file, P(buffer), 100, 0, 0), add(4, (u32)file, P(buffer), 100, 0, 0);
  add(5, P(path), 2, 0, 0, 0), add(8, P(other), 0644, 0, 0, 0), add(19, (u32)file, 2, 0, 0, 0);
  add(5, P(other), O_CREAT_RDWR, 0644, 0, 0), add(9, P(path), P(other), 0, 0, 0), add(11, P(missing), 0, 0, 0, 0);
  add(13, P(buffer), 0, 0, 0, 0), add(39, P(missing), 0755, 0, 0, 0), add(14, P(missing), 010644, 0, 0, 0);
  add(70, ~0u, 0, 0, 0, 0), add(70, 1000, 1000, 0, 0, 0), add(203, ~0u, 0, 0, 0, 0), add(203, 0, ~0u, 0, 0, 0);
  add(203, 1000, 1001, 0, 0, 0), add(203, ~0u, 1001, 0, 0, 0), add(204, 1000, 1001, 0, 0, 0);
  add(208, 1000, 1001, 1002, 0, 0), add(210, 1000, 1001, 1002, 0, 0);
  add(37, 0, 0, 0, 0, 0), add(37, 1, 0, 0, 0, 0), add(37, 12345, 10, 0, 0, 0), add(238, 1, 0, 0, 0, 0);
  add(42, P(buffer), 0, 0, 0, 0), add(82, P(selection), 0, 0, 0, 0), add(90, P(mapping), 0, 0, 0, 0);
  add(142, 8, P(bits), 0, 0, P(timeout)), add(168, P(poll_files), 2, 0, 0, 0), add(168, P(poll_files), 1, 25, 0, 0);
  add(168, P(poll_files), 2, ~0u, 0, 0), add(168, P(zeros), 600, 15, 0, 0), add(162, P(tick), P(buffer), 0, 0, 0);
  add(102, 1, P(udp_arguments), 0, 0, 0), add(102, 11, P(send_to), 0, 0, 0), add(102, 12, P(receive_from), 0, 0, 0);
  add(102, 17, P(receive_from), 0, 0, 0), add(117, 13, 0x1234, 01600, 0, 0), add(117, 2, 0x1234, 4, 01600, 0);
  add(117, 11, 0, 4, 04000, P(message)), add(117, 23, 0x1234, PAGE, 01600, 0), add(117, 12, 0, 4, 04000, P(message));
  add(130, 0, 0, 0, 0, 0), add(130, P(buffer), 0, 0, 0, 0), add(167, 0, 1, P(buffer), sizeof buffer, P(zeros));
  add(144, P(area), 3 * PAGE, 4, 0, 0), add(144, P(area), 3 * PAGE, 1, 0, 0), add(144, P(outcome), 5 * PAGE, 4, 0, 0);
  add(218, P(area), 3 * PAGE, P(buffer), 0, 0), add(218, P(buffer), 64 * PAGE, P(area), 0, 0);
  add(219, P(area), 3 * PAGE, 3, 0, 0), add(219, P(area) + PAGE, PAGE, 1, 0, 0), add(219, P(outcome), 5 * PAGE, 3, 0, 0);
  add(219, P(buffer), 64 * PAGE, 4, 0, 0), add(125, P(area), PAGE, 1, 0, 0), add(150, P(area), 2 * PAGE, 0, 0, 0);
  add(163, P(area), PAGE, 2 * PAGE, 1, 0), add(192, 0, 2 * PAGE, 3, 0x22, ~0u), add(91, P(area), PAGE, 0, 0, 0);
  add(140, (u32)file, 0, 10, P(buffer), 0), add(141, (u32)folder, P(buffer), 1024, 0, 0);
  add(220, (u32)folder, P(buffer), 1024, 0, 0), add(145, (u32)file, P(vectors), 2, 0, 0);
  add(146, (u32)file, P(vectors), 2, 0, 0), add(149, P(sysctl_arguments), 0, 0, 0, 0);
  add(180, (u32)file, P(buffer), 40, 3, 0), add(181, (u32)file, P(buffer), 40, 3, 0), add(193, P(path), 30, 0, 0, 0);
  add(187, pipe_ends[1], (u32)file, P(offset), 10, 0), add(225, (u32)file, 0, 0, PAGE, 0);
  add(SYS_fork, 0, 0, 0, 0, 0), add(SYS_clone, 17, 0, 0, 0, 0), add(SYS_clone, 0x4100 | 17, 0, 0, 0, 0);
  add(SYS_vfork, 0, 0, 0, 0, 0), add(26, 0, 0, 0, 0, 0), add(195, P(path), P(buffer), 0, 0, 0);
}

static u32 random_state = 1;

static u32 random_value(void)
{
  const u32 values[] = {0, 1, 2, (u32)file, (u32)folder, (u32)udp, pipe_ends[0], pipe_ends[1], ~0u, 16, 4096, 8192,
                        P(buffer), P(buffer) + 3, P(zeros), P(zeros), P(area), P(path), P(directory), P(missing),
                        P(vectors), P(timeout), 0x7fffffff, 0xc0100000, SIGALRM, 0777};
  random_state = random_state * 1103515245 + 12345;
  return values[(random_state >> 16) % (sizeof values / sizeof values[0])];
}

static void set_alarm(u32 microseconds)
{
  u32 times[4] = {microseconds / 1000000, microseconds % 1000000, microseconds / 1000000, microseconds % 1000000};
  call3(SYS_setitimer, 0, (u32)times, 0);
}

static void handle_alarm(void)
{
  u32 action[5] = {(u32)on_alarm, SA_RESTORER | SA_SIGINFO, (u32)restore, 0, 0};
  system_call(SYS_rt_sigaction, SIGALRM, (u32)action, 0, sizeof(u32) * 2, 0);
}

static int makes_a_process(int number)
{
  return number == SYS_fork || number == SYS_clone || number == SYS_vfork;
}

static void try_here(struct registers *registers)
{
  int number = (int)registers->value[EAX];
  call0(SYS_setsid);
  handle_alarm();
  set_alarm(LIMIT_US);
  if (makes_a_process(number)) child_registers = &outcome->child;
  probe(registers);
  /* Before the next try clears what it has to say, which the alarm must not cut short. */
  if (makes_a_process(number))
    while (system_call(SYS_wait4, ~0u, 0, 0, 0, 0) == -EINTR);
  outcome->after = *registers;
  outcome->returned = 1;
  call1(SYS_exit, 0);
}

static void say_changed(u32 number, int index, u32 before, u32 after)
{
  struct line line;
  line_start(&line);
  line_text(&line, "registers changed ");
  line_number(&line, number);
  line_character(&line, ' ');
  line_text(&line, names[index]);
  for (int value = 0; value < 2; value++) {
    line_character(&line, ' ');
    for (int shift = 24; shift >= 0; shift -= 8) line_hex(&line, (u8)((value == 0 ? before : after) >> shift));
  }
  line_say(&line);
}

static void compare(const struct registers *before, const struct registers *after)
{
  for (int index = FIRST_CHECKED; index < REGISTERS; index++)
    if (before->value[index] != after->value[index])
      say_changed(before->value[EAX], index, before->value[index], after->value[index]);
}

enum result { SILENT, REFUSED, SUCCEEDED };

static enum result try_call(const struct registers *wanted)
{
  struct registers registers = *wanted;
  int status = 0;
  memset(outcome, 0, sizeof *outcome);
  int child = call0(SYS_fork);
  if (child == 0) try_here(&registers);
  set_alarm(PATIENCE_US);
  if (system_call(SYS_wait4, (u32)child, (u32)&status, WUNTRACED, 0, 0) < 0 || (status & 0xff) == 0x7f) {
    call2(SYS_kill, (u32)child, SIGKILL);
    while (system_call(SYS_wait4, (u32)child, 0, 0, 0, 0) < 0 && call2(SYS_kill, (u32)child, SIGKILL) == 0);
  }
  set_alarm(0);
  /* Processes that the call made, and that lost their parent. */
  while (system_call(SYS_wait4, ~0u, 0, 1, 0, 0) > 0);
  if (!outcome->returned) return SILENT;
  compare(wanted, &outcome->after);
  if (outcome->child.value[EAX] != 0) compare(wanted, &outcome->child);
  return outcome->after.value[EAX] < 0xfffff000u ? SUCCEEDED : REFUSED;
}

static enum result try_all(u32 number)
{
  enum result best = SILENT;
  for (int index = -RANDOM_TRIES; index < trial_count; index++) {
    struct registers registers;
    if (index >= 0 && trials[index].number != number) continue;
    for (int at = FIRST_CHECKED; at < REGISTERS; at++) registers.value[at] = MARK + (u32)at;
    for (int at = 0; at < 5; at++)
      registers.value[FIRST_CHECKED + at] = index >= 0 ? trials[index].argument[at] : random_value();
    /* A clone that shares what it likes with this process would not leave it as it is. */
    if (index < 0 && makes_a_process((int)number)) continue;
    registers.value[EAX] = number;
    enum result result = try_call(&registers);
    if (result > best) best = result;
  }
  return best;
}

static void say_numbers(const char *what, const u8 *results, enum result wanted)
{
  struct line line;
  line_start(&line);
  line_text(&line, "registers ");
  line_text(&line, what);
  for (u32 number = 1; number <= LAST_CALL; number++) {
    if (results[number] != wanted) continue;
    line_character(&line, ' ');
    line_number(&line, number);
  }
  line_say(&line);
}

/* iopl changes the flags among its caller's saved registers: a change that has to last. */
static void say_privilege(void)
{
  u32 flags;
  call1(SYS_iopl, 3);
  __asm__ volatile("pushfl; popl %0" : "=r"(flags));
  const char level[2] = {(char)('0' + ((flags >> 12) & 3)), '\0'};
  say("registers iopl ", level, "");
}

static void prepare(void)
{
  kernel_mount("proc", "/proc", "proc", 0, NULL);
  outcome = (struct outcome *)system_call(SYS_mmap2, 0, PAGE, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, ~0u);
  area = (u8 *)system_call(SYS_mmap2, 0, 4 * PAGE, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, ~0u);
  call1(SYS_pipe, (u32)pipe_ends);
  file = call3(SYS_open, (u32)path, O_CREAT_RDWR, 0644);
  kernel_write(file, buffer, 3 * PAGE);
  folder = kernel_open(directory, O_RDONLY);
  udp = call2(SYS_socketcall, SOCKETCALL_SOCKET, (u32)udp_arguments);
  handle_alarm();
  plan_trials();
}

/* Called by start.S. */
void init_main(u32 *stack);
void init_main(u32 *stack)
{
  static u8 results[LAST_CALL + 1];
  (void)stack;
  prepare();
  for (u32 number = 1; number <= LAST_CALL; number++) {
    /* Signal handlers make these two; by themselves they would load registers from anywhere. */
    if (number == SYS_sigreturn || number == SYS_rt_sigreturn) continue;
    results[number] = (u8)try_all(number);
  }
  say_numbers("succeeded", results, SUCCEEDED);
  say_numbers("refused", results, REFUSED);
  say_numbers("silent", results, SILENT);
  say_privilege();
  say("registers done", "", "");
  for (;;) call0(SYS_pause);
}
