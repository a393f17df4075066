/* What the kernel says of itself; the values are made by the top Makefile (see init/version.c). */
#ifndef _LINUX_BUILD_ID_H
#define _LINUX_BUILD_ID_H

extern const char linux_release[];
extern const char config_sha256[];

#endif
