#include "memory.h"
#include "kernel.h"
#include "text.h"

void *memcpy(void *to, const void *from, size_t size)
{
  char *target = to;
  const char *source = from;
  while (size-- != 0) *target++ = *source++;
  return to;
}

void *memset(void *to, int value, size_t size)
{
  char *target = to;
  while (size-- != 0) *target++ = (char)value;
  return to;
}

int memcmp(const void *left, const void *right, size_t size)
{
  const u8 *one = left;
  const u8 *other = right;
  for (; size != 0; size--, one++, other++)
    if (*one != *other) return *one - *other;
  return 0;
}

void *memory_get(size_t size)
{
  /* The old mmap, with its arguments in memory: the one that every kernel has. */
  u32 arguments[6] = {0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (u32)-1, 0};
  u32 memory = (u32)call1(SYS_mmap, (u32)arguments);
  return memory > (u32)-4096 || size == 0 ? NULL : (void *)memory;
}

void memory_free(void *memory, size_t size)
{
  if (memory != NULL) call2(SYS_munmap, (u32)memory, size);
}
