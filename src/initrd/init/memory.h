/* Memory from the kernel, for what is too large for the stack. There is no heap, and no writable segment. */
#ifndef KILN_MEMORY_H
#define KILN_MEMORY_H

#include "types.h"

/* Zeroed memory, or NULL when the kernel has none left. */
void *memory_get(size_t size);
void memory_free(void *memory, size_t size);

#endif
