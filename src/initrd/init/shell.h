/* The prompt that an initrd without a shell offers: enough to look around and to leave. */
#ifndef KILN_SHELL_H
#define KILN_SHELL_H

/* Returns only when the console has nothing more to read. */
void shell_run(void);

#endif
