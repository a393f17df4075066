#include "modules.h"
#include "console.h"
#include "depends.h"
#include "kernel.h"
#include "legacy.h"

enum { MAX_DEPTH = 16 };

struct loading {
  const char *release;
  const char *dependencies;
  int is_legacy;
};

/* Since 2.6 the kernel links modules by itself. */
static int load_modern(const struct file *file, const char *parameters)
{
  return call3(SYS_init_module, (u32)file->bytes, file->size, (u32)parameters);
}

static void say_loaded(const char *name, const char *parameters)
{
  say("module ", name, " loaded");
  if (*parameters != '\0') say("  with ", parameters, "");
}

static int load_file(const struct loading *loading, const char *path, const char *parameters)
{
  struct file file;
  char name[MODULE_NAME_SIZE];
  module_name(name, sizeof name, path);
  if (loading->is_legacy && legacy_is_loaded(name)) return 0;
  int error = file_read(&file, path);
  if (error < 0) {
    say_error("can't read ", path, error);
    return error;
  }
  error = loading->is_legacy ? legacy_load(&file, name, parameters, loading->release)
                             : load_modern(&file, parameters);
  file_free(&file);
  if (error == -EEXIST) return 0;
  if (error >= 0) say_loaded(name, parameters);
  /* What the linker has to say it has said already. */
  else if (error != LEGACY_FAULT) say_error("module ", name, error);
  return error;
}

/* Loads what stands behind the colon of a line of modules.dep, then the module itself. */
static int load_line(const struct loading *loading, const char *line, const char *parameters, int depth)
{
  char path[256];
  struct dependency_list list;
  if (depth == 0 || !dependencies_of(&list, line)) {
    say("/lib/modules/", loading->release, "/modules.dep runs in a circle, or has too long a line");
    return -EINVAL;
  }
  /* kmod lists all that is needed, what is needed last at the end first; modutils only the next. */
  for (int index = list.count; index-- > 1;) {
    const char *other = find_dependencies(loading->dependencies, list.words[index].at, list.words[index].length);
    if (other == NULL) continue;
    int error = load_line(loading, other, "", depth - 1);
    if (error < 0) return error;
  }
  if (!module_path(path, sizeof path, loading->release, &list.words[0])) return -EINVAL;
  return load_file(loading, path, parameters);
}

int modules_load(const char *release, const char *name, const char *parameters)
{
  struct file file;
  struct line path;
  line_clear(&path);
  line_text(&path, "/lib/modules/");
  line_text(&path, release);
  line_text(&path, "/modules.dep");
  int error = file_read(&file, line_string(&path));
  if (error < 0) {
    say_error("", line_string(&path), error);
    return error;
  }
  struct loading loading = {release, (const char *)file.bytes, legacy_is_here()};
  const char *line = find_module(loading.dependencies, name);
  if (line != NULL) error = load_line(&loading, line, parameters, MAX_DEPTH);
  else {
    say("no module ", name, " in the initrd: is its driver built into the kernel?");
    error = -ENODEV;
  }
  file_free(&file);
  return error;
}
