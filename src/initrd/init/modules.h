/* Loads kernel modules: with what they depend on (modules.dep), into kernels of every age. */
#ifndef KILN_MODULES_H
#define KILN_MODULES_H

/*
 * Loads the module of that name (as 8139too) from /lib/modules/<release>, and before it what it depends on.
 * `parameters` are blank-separated name=value words for it. Says a line for each module, or why not.
 * 0 when it is loaded (now, or already), else below 0.
 */
int modules_load(const char *release, const char *name, const char *parameters);

#endif
