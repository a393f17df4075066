#include "power.h"
#include "console.h"
#include "kernel.h"

static u32 reboot_command(enum power_action action)
{
  if (action == POWER_REBOOT) return REBOOT_RESTART;
  return action == POWER_OFF ? REBOOT_POWER_OFF : REBOOT_HALT;
}

static const char *verb(enum power_action action)
{
  if (action == POWER_REBOOT) return "rebooting";
  return action == POWER_OFF ? "powering off" : "halting";
}

void power_end(enum power_action action)
{
  say(verb(action), "", "");
  call0(SYS_sync);
  call1(SYS_umount, (u32) "/dev");
  call1(SYS_umount, (u32) "/proc");
  /*
   * A kernel that can't turn the power off ends the process that asked for it, and panics when that is
   * init: so a child asks.
   */
  int child = call0(SYS_fork);
  if (child == 0) {
    system_call(SYS_reboot, REBOOT_MAGIC1, REBOOT_MAGIC2, reboot_command(action), 0, 0);
    call1(SYS_exit, 1);
  }
  call3(SYS_waitpid, (u32)child, 0, 0);
  say("halted", "", "");
  for (;;) call0(SYS_pause);
}
