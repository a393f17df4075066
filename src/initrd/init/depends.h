/*
 * modules.dep, pure: `/lib/modules/2.4.22/kernel/drivers/net/8139too.o:` and the modules that it needs, by
 * the absolute paths of modutils or the relative ones of kmod; a backslash at its end goes on with a line.
 */
#ifndef KILN_DEPENDS_H
#define KILN_DEPENDS_H

#include "text.h"

enum { MAX_DEPENDENCIES = 32 };

struct word {
  const char *at;
  size_t length;
};

/* The module's own path, then those of what it depends on. */
struct dependency_list {
  int count;
  struct word words[MAX_DEPENDENCIES];
};

/* The line of the module of that name (- and _ being the same, .o and .ko left out), or NULL. */
const char *find_module(const char *dependencies, const char *name);

/* The line of the module of that path, or NULL. */
const char *find_dependencies(const char *dependencies, const char *path, size_t length);

/* Splits a line; false when it has no colon or too many words. */
int dependencies_of(struct dependency_list *list, const char *line);

/* A module's name from its path. */
void module_name(char *name, size_t size, const char *path);

/* The absolute path of a word; false when it does not fit. */
int module_path(char *path, size_t size, const char *release, const struct word *word);

#endif
