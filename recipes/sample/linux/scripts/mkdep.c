/*
 * mkdep INCLUDE-DIRECTORY FILE...
 *
 * Prints a make rule for each C or assembly file: what its object depends on, which is every header that
 * it reaches through #include, and for every CONFIG_ option that any of them asks for the file
 * include/config/... that scripts/split-include keeps for it. The latter stands in $(wildcard), since an
 * option that was never asked for has none. Paths are written with $(TOPDIR), so .depend survives a move.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 1024
#define MAX_NAME 512

struct set {
	char *name[MAX_NAMES];
	int count;
};

static struct set headers, options;

/* Adds a name; says whether it is new. */
static int add(struct set *set, const char *name)
{
	int i;

	for (i = 0; i < set->count; i++)
		if (!strcmp(set->name[i], name))
			return 0;
	if (set->count == MAX_NAMES) {
		fprintf(stderr, "mkdep: more than %d names\n", MAX_NAMES);
		exit(1);
	}
	set->name[set->count++] = strdup(name);
	return 1;
}

static void clear(struct set *set)
{
	while (set->count)
		free(set->name[--set->count]);
}

static void find_options(const char *line)
{
	char name[MAX_NAME];
	int n;

	while ((line = strstr(line, "CONFIG_"))) {
		line += strlen("CONFIG_");
		for (n = 0; (isalnum((unsigned char)line[n]) || line[n] == '_') && n < MAX_NAME - 1; n++)
			name[n] = line[n] == '_' ? '/' : tolower((unsigned char)line[n]);
		name[n] = 0;
		/* CONFIG_X_MODULE is the option X */
		if (n > 7 && !strcmp(name + n - 7, "/module"))
			name[n - 7] = 0;
		if (n)
			add(&options, name);
	}
}

static void scan(const char *include, const char *path);

static void find_include(const char *include, const char *line)
{
	char name[MAX_NAME], path[2 * MAX_NAME];

	if (sscanf(line, " # include <%255[^>]>", name) != 1)
		return;
	/* autoconf.h changes with every option: its parts in include/config/ stand for it */
	if (!strcmp(name, "linux/autoconf.h") || !add(&headers, name))
		return;
	snprintf(path, sizeof(path), "%s/%s", include, name);
	scan(include, path);
}

static void scan(const char *include, const char *path)
{
	char line[4096];
	FILE *file = fopen(path, "r");

	if (!file)
		return;		/* a generated header that is yet to come */
	while (fgets(line, sizeof(line), file)) {
		find_include(include, line);
		find_options(line);
	}
	fclose(file);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_rule(const char *file)
{
	int i;

	qsort(headers.name, headers.count, sizeof(char *), by_name);
	qsort(options.name, options.count, sizeof(char *), by_name);
	printf("%.*so: %s", (int)strlen(file) - 1, file, file);
	for (i = 0; i < headers.count; i++)
		printf(" \\\n  $(TOPDIR)/include/%s", headers.name[i]);
	for (i = 0; i < options.count; i++)
		printf(" \\\n  $(wildcard $(TOPDIR)/include/config/%s.h)", options.name[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	int i;

	for (i = 2; i < argc; i++) {
		scan(argv[1], argv[i]);
		print_rule(argv[i]);
		clear(&headers);
		clear(&options);
	}
	return 0;
}
