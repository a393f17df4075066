/* SHA-256 (FIPS 180-4). */
#ifndef _LINUX_SHA256_H
#define _LINUX_SHA256_H

#include <linux/types.h>

#define SHA256_DIGEST_SIZE 32

void sha256(const u8 *data, u32 size, u8 digest[SHA256_DIGEST_SIZE]);

#endif
