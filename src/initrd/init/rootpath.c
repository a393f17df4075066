#include "nfs.h"

/* Puts the path together, %s replaced. */
static int expand(struct nfs_root *root, const char *at, size_t length, const char *name)
{
  struct line line;
  line_clear(&line);
  for (size_t index = 0; index < length; index++)
    if (at[index] == '%' && index + 1 < length && at[index + 1] == 's') {
      line_text(&line, name);
      index++;
    } else line_character(&line, at[index]);
  return text_copy(root->path, sizeof root->path, line.text, line.length);
}

static int fail(struct line *fault, const char *text, const char *what)
{
  line_text(fault, "root path ");
  line_text(fault, text);
  line_text(fault, what);
  return 0;
}

int nfs_read_root(struct nfs_root *root, const char *text, const u8 server[4], const char *name,
                  struct line *fault)
{
  const char *path = text;
  memcpy(root->server, server, 4);
  if (*text != '/') {
    const char *after = parse_address(text, root->server);
    if (after == NULL || *after != ':')
      return fail(fault, text, ": expected /path or address:/path, the address in numbers");
    path = after + 1;
  }
  if (*path != '/') return fail(fault, text, ": the path must start with /");
  if (get_be32(root->server) == 0) return fail(fault, text, ": it names no server, and DHCP named none either");
  size_t length = 0;
  while (path[length] != ',' && path[length] != '\0') length++;
  const char *options = path + length + (path[length] == ',');
  if (!expand(root, path, length, name) ||
      !text_copy(root->options, sizeof root->options, options, text_length(options)))
    return fail(fault, text, ": it is too long");
  return 1;
}
