/* A module in the shape of 2.4's, small enough to check by hand. Built with -m32 -ffreestanding. */
#define MODINFO(name, text) static const char name[] __attribute__((section(".modinfo"), used)) = text

#ifndef RELEASE
#define RELEASE "2.4.22"
#endif
MODINFO(info_version, "kernel_version=" RELEASE);
MODINFO(info_licence, "license=" LICENCE);
MODINFO(info_io, "parm_io=1-4i");
MODINFO(info_mode, "parm_mode=s");
MODINFO(info_name, "parm_name=1-1c8");
MODINFO(info_irq, "parm_irq=h");

/* As include/linux/modversions.h of a kernel with CONFIG_MODVERSIONS renames them. */
#ifdef PRINTK
#define printk PRINTK
#define helper helper_Rsmp_0badcafe
MODINFO(info_checksums, "using_checksums=1");
#endif

extern int printk(const char *format, ...);
extern int helper(int value);
extern int secret(void);
extern char __this_module[];

/* What the test looks at: each word is a relocation of another kind. */
struct words {
  int magic;
  void *printk, *helper, *self, *common;
};
int shared __attribute__((common));
static int io[4] = {1, 2, 3, 4};
static char *mode = "slow";
static char name[8] = "unset";
static short irq = -1;

struct look {
  int magic;
  int *io;
  char **mode;
  char *name;
  short *irq;
} look = {0x10c0ffee, io, &mode, name, &irq};
struct words words = {0x600df00d, printk, helper, __this_module, &shared};

static const char exported_name[] __attribute__((section(".kstrtab"))) = "words";
static const struct {
  void *value;
  const char *name;
} exported __attribute__((section("__ksymtab"), used)) = {&words, exported_name};

int init_module(void)
{
#ifdef WANTS_SECRET
  secret();
#endif
#ifdef WANTS_MORE
  extern int nowhere(void);
  nowhere();
#endif
  return helper(printk("%s %d", mode, io[0] + irq + name[0])) + shared;
}

void cleanup_module(void)
{
  printk("gone");
}
