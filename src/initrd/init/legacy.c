#include "legacy.h"
#include "kernel.h"
#include "memory.h"

/* linux/module.h */
enum { QM_NOTHING = 0, QM_MODULES = 1, QM_SYMBOLS = 4, QM_INFO = 5 };

enum { MODULE_LIST_SIZE = 4096, FIRST_TABLE_SIZE = 65536 };

struct module_info {
  u32 address;
  u32 size;
  u32 flags;
  u32 use_count;
};

/* All that the kernel and its modules export. */
struct exports {
  u32 count;
  struct symbol_table tables[MAX_TABLES];
  u32 capacities[MAX_TABLES];
};

static int query(const char *module, int what, void *buffer, u32 size, u32 *answer)
{
  return system_call(SYS_query_module, (u32)module, (u32)what, (u32)buffer, size, (u32)answer);
}

int legacy_is_here(void)
{
  return query(NULL, QM_NOTHING, NULL, 0, NULL) >= 0;
}

/* The names of the modules, one after the other, each with its zero, newest first; their count. */
static u32 module_names(char names[MODULE_LIST_SIZE])
{
  u32 count = 0;
  return query(NULL, QM_MODULES, names, MODULE_LIST_SIZE, &count) < 0 ? 0 : count;
}

int legacy_is_loaded(const char *name)
{
  char names[MODULE_LIST_SIZE];
  const char *at = names;
  for (u32 left = module_names(names); left > 0; left--, at += text_length(at) + 1)
    if (text_equal(at, name)) return 1;
  return 0;
}

/* Reads the exports of a module, or with NULL the kernel's, into the next table. */
static int add_table(struct exports *exports, const char *module)
{
  struct module_info info = {0, 0, 0, 0};
  u32 answer = 0;
  u32 size = FIRST_TABLE_SIZE;
  if (exports->count == MAX_TABLES) return -ENOMEM;
  if (module != NULL) {
    int error = query(module, QM_INFO, &info, sizeof info, &answer);
    if (error < 0) return error;
  }
  for (;;) {
    /* A byte more than the kernel is told of: whatever it writes, the last name ends. */
    u8 *bytes = memory_get(size + 1);
    if (bytes == NULL) return -ENOMEM;
    int error = query(module, QM_SYMBOLS, bytes, size, &answer);
    if (error >= 0) {
      exports->tables[exports->count] = (struct symbol_table){bytes, size, answer, info.address};
      exports->capacities[exports->count++] = size + 1;
      return 0;
    }
    memory_free(bytes, size + 1);
    /* The kernel then says how much it needs. */
    if (error != -ENOSPC || answer <= size) return error;
    size = answer;
  }
}

static int read_exports(struct exports *exports)
{
  char names[MODULE_LIST_SIZE];
  exports->count = 0;
  int error = add_table(exports, NULL);
  const char *at = names;
  for (u32 left = module_names(names); left > 0 && error >= 0; left--, at += text_length(at) + 1)
    error = add_table(exports, at);
  return error;
}

static void free_exports(struct exports *exports)
{
  while (exports->count-- > 0)
    memory_free((void *)exports->tables[exports->count].bytes, exports->capacities[exports->count]);
}

/* A kernel with versions on its symbols exports one that says so. */
static int has_versions(const struct symbol_table *kernel)
{
  for (u32 index = 0; index < kernel->count; index++) {
    u32 name = get_le32(kernel->bytes + index * 8 + 4);
    if (name < kernel->size && text_equal((const char *)kernel->bytes + name, "Using_Versions")) return 1;
  }
  return 0;
}

/* What modutils does for a module that is not free: note it for those who will read the kernel's oopses. */
static void taint(const char *name, const char *licence)
{
  char text[16];
  u32 value = 0;
  struct line line;
  /* 2.2 and early 2.4 know of no taint. */
  if (licence_is_free(licence) || read_text("/proc/sys/kernel/tainted", text, sizeof text) < 0) return;
  parse_number(text, &value);
  line_clear(&line);
  line_number(&line, value | 1);
  line_character(&line, '\n');
  write_text("/proc/sys/kernel/tainted", line_string(&line));
  say("module ", name, licence == NULL ? " names no licence: the kernel is tainted"
                                       : " is not under the GPL: the kernel is tainted");
}

static int link_and_start(struct module_link *link, struct line *fault)
{
  if (link_layout(link, fault) < 0) return LEGACY_FAULT;
  int base = call2(SYS_create_module, (u32)link->name, link->size);
  /* Addresses of the kernel are negative numbers; errors are the last page's. */
  if ((u32)base > (u32)-4096) return base;
  u8 *image = memory_get(link->size);
  int error = -ENOMEM;
  if (image != NULL) {
    error = link_finish(link, image, (u32)base, fault) < 0
                ? LEGACY_FAULT
                : call2(SYS_init_module, (u32)link->name, (u32)image);
    memory_free(image, link->size);
  }
  if (error < 0) call1(SYS_delete_module, (u32)link->name);
  return error;
}

int legacy_load(const struct file *file, const char *name, const char *parameters, const char *release)
{
  struct line fault;
  struct exports exports;
  struct module_link link = {.parameters = parameters, .release = release};
  text_copy(link.name, sizeof link.name, name, text_length(name));
  line_start(&fault);
  line_text(&fault, "module ");
  line_text(&fault, name);
  line_text(&fault, ": ");
  int error = read_exports(&exports);
  if (error >= 0) {
    link.tables = exports.tables;
    link.table_count = exports.count;
    link.kernel_has_versions = has_versions(&exports.tables[0]);
    error = LEGACY_FAULT;
    if (object_open(&link.object, file->bytes, file->size, &fault) >= 0) {
      error = link_and_start(&link, &fault);
      if (error >= 0) taint(name, object_modinfo(&link.object, "license"));
      link_free(&link);
    }
  }
  free_exports(&exports);
  if (error == LEGACY_FAULT) line_say(&fault);
  return error;
}
