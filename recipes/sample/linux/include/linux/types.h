/* Types that everything uses. */
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H

#include <asm/types.h>

#define NULL ((void *) 0)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
