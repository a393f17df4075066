/* Ways to end. */
#ifndef KILN_POWER_H
#define KILN_POWER_H

enum power_action { POWER_OFF, POWER_HALT, POWER_REBOOT };

/* Flushes and unmounts, then does it. Where the kernel can't (no APM, no ACPI) the machine stands still. */
void power_end(enum power_action action) __attribute__((noreturn));

#endif
