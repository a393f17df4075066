/*
 * What Kiln's init asks of the kernel: Linux/i386 system calls by int 0x80, numbers and structures as
 * Linux 2.2 and 2.4 have them (include/asm-i386/unistd.h and the headers named below). No libc: the
 * static ones of today refuse these kernels ("kernel too old").
 */
#ifndef KILN_KERNEL_H
#define KILN_KERNEL_H

#include "types.h"

enum {
  SYS_exit = 1,
  SYS_fork = 2,
  SYS_read = 3,
  SYS_write = 4,
  SYS_open = 5,
  SYS_close = 6,
  SYS_waitpid = 7,
  SYS_execve = 11,
  SYS_chdir = 12,
  SYS_getpid = 20,
  SYS_mount = 21,
  SYS_umount = 22,
  SYS_pause = 29,
  SYS_access = 33,
  SYS_sync = 36,
  SYS_mkdir = 39,
  SYS_ioctl = 54,
  SYS_chroot = 61,
  SYS_dup2 = 63,
  SYS_getppid = 64,
  SYS_setsid = 66,
  SYS_sethostname = 74,
  SYS_gettimeofday = 78,
  SYS_reboot = 88,
  SYS_mmap = 90,
  SYS_munmap = 91,
  SYS_socketcall = 102,
  SYS_syslog = 103,
  SYS_setdomainname = 121,
  SYS_newuname = 122,
  SYS_create_module = 127,
  SYS_init_module = 128,
  SYS_delete_module = 129,
  SYS_getdents = 141,
  SYS_nanosleep = 162,
  SYS_query_module = 167,
  SYS_poll = 168,
  SYS_pivot_root = 217
};

enum { O_RDONLY = 0, O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0100, O_TRUNC = 01000, O_DIRECTORY = 0200000 };

/* asm/errno.h */
enum {
  ENOENT = 2,
  EIO = 5,
  ENOMEM = 12,
  EBUSY = 16,
  EEXIST = 17,
  ENODEV = 19,
  EINVAL = 22,
  ENOSPC = 28,
  ENOSYS = 38,
  ETIMEDOUT = 110
};

/* asm/mman.h */
enum { PROT_READ = 1, PROT_WRITE = 2, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20 };

/* linux/fs.h */
enum { MS_RDONLY = 1, MS_MOVE = 8192 };

/* Without it 2.2 takes neither flags nor data; later kernels leave it out. */
#define MS_MGC_VAL 0xc0ed0000u

/* asm/termbits.h, asm/ioctls.h */
enum { TCSBRK = 0x5409, TIOCSCTTY = 0x540e };

/* linux/reboot.h */
#define REBOOT_MAGIC1 0xfee1deadu
#define REBOOT_MAGIC2 672274793u
#define REBOOT_RESTART 0x01234567u
#define REBOOT_HALT 0xcdef0123u
#define REBOOT_POWER_OFF 0x4321fedcu

/* linux/poll.h */
enum { POLLIN = 1 };

struct poll_request {
  int file;
  u16 events;
  u16 returned;
};

enum { UTS_LENGTH = 65 };

/* linux/utsname.h: struct new_utsname */
struct system_names {
  char sysname[UTS_LENGTH];
  char nodename[UTS_LENGTH];
  char release[UTS_LENGTH];
  char version[UTS_LENGTH];
  char machine[UTS_LENGTH];
  char domainname[UTS_LENGTH];
};

/* linux/dirent.h: struct dirent, as getdents gives it */
struct directory_entry {
  u32 inode;
  u32 offset;
  u16 length;
  char name[];
};

static inline int system_call(int number, u32 a, u32 b, u32 c, u32 d, u32 e)
{
  int result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                   : "memory", "cc");
  return result;
}

static inline int call0(int number) { return system_call(number, 0, 0, 0, 0, 0); }
static inline int call1(int number, u32 a) { return system_call(number, a, 0, 0, 0, 0); }
static inline int call2(int number, u32 a, u32 b) { return system_call(number, a, b, 0, 0, 0); }
static inline int call3(int number, u32 a, u32 b, u32 c) { return system_call(number, a, b, c, 0, 0); }

static inline int kernel_open(const char *path, int flags) { return call3(SYS_open, (u32)path, (u32)flags, 0); }
static inline int kernel_close(int file) { return call1(SYS_close, (u32)file); }

static inline int kernel_read(int file, void *buffer, size_t size)
{
  return call3(SYS_read, (u32)file, (u32)buffer, size);
}

static inline int kernel_write(int file, const void *buffer, size_t size)
{
  return call3(SYS_write, (u32)file, (u32)buffer, size);
}

static inline int kernel_ioctl(int file, int request, u32 argument)
{
  return call3(SYS_ioctl, (u32)file, (u32)request, argument);
}

static inline int kernel_mount(const char *device, const char *directory, const char *type, u32 flags,
                               const void *data)
{
  return system_call(SYS_mount, (u32)device, (u32)directory, (u32)type, MS_MGC_VAL | flags,
                     (u32)data);
}

#endif
