/* Modules of Linux 2.2 and 2.4, whose kernels leave the linking to us. */
#ifndef KILN_LEGACY_H
#define KILN_LEGACY_H

#include "console.h"
#include "link.h"

/* What legacy_load answers when it has said itself what was wrong. */
enum { LEGACY_FAULT = -4095 };

/* Whether this kernel takes modules that are linked in user space: it answers query_module, 2.6 does not. */
int legacy_is_here(void);

int legacy_is_loaded(const char *name);

/* Links a module and loads it; 0, LEGACY_FAULT, or below 0 as the kernel or the module says. */
int legacy_load(const struct file *file, const char *name, const char *parameters, const char *release);

#endif
