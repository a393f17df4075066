#include "cards.h"

/* So many hexadecimal digits at least and at most, with or without 0x; what follows them, or NULL. */
static const char *parse_hex(const char *at, int least, int most, u32 *value)
{
  int digits = 0;
  *value = 0;
  if (at[0] == '0' && (at[1] | 0x20) == 'x') at += 2;
  for (;; at++, digits++) {
    char lower = (char)(*at | 0x20);
    u32 digit = *at >= '0' && *at <= '9' ? (u32)(*at - '0') : (u32)(lower - 'a') + 10;
    if (!(*at >= '0' && *at <= '9') && !(lower >= 'a' && lower <= 'f')) break;
    if (digits == most) return NULL;
    *value = *value << 4 | digit;
  }
  return digits < least ? NULL : at;
}

int read_pci_card(const char *at, struct pci_card *card)
{
  u32 place, ids;
  at = parse_hex(at, 4, 4, &place);
  if (at == NULL || *at != '\t') return 0;
  at = parse_hex(at + 1, 8, 8, &ids);
  if (at == NULL) return 0;
  *card = (struct pci_card){(u16)place, (u16)(ids >> 16), (u16)ids};
  return 1;
}

static const char *skip_spaces(const char *at)
{
  while (*at == ' ' || *at == '\t') at++;
  return at;
}

/* The driver of a line when it is for that card. */
static int read_line(const char *at, const struct pci_card *card, char driver[DRIVER_NAME_SIZE])
{
  u32 vendor, device;
  at = parse_hex(skip_spaces(at), 1, 4, &vendor);
  if (at == NULL) return 0;
  at = skip_spaces(at);
  if (*at == ':' || *at == ',') at++;
  at = parse_hex(skip_spaces(at), 1, 4, &device);
  if (at == NULL || vendor != card->vendor || device != card->device) return 0;
  at = skip_spaces(at);
  size_t length = 0;
  while (at[length] != '\0' && !is_blank(at[length]) && at[length] != '#') length++;
  return length > 0 && text_copy(driver, DRIVER_NAME_SIZE, at, length);
}

const char *next_driver(const char *at, const struct pci_card *card, char driver[DRIVER_NAME_SIZE])
{
  while (*at != '\0') {
    int found = read_line(at, card, driver);
    at = skip_line(at);
    if (found) return at;
  }
  return NULL;
}

/* Whether `name=` stands here. */
static int is_assignment(const char *at)
{
  const char *start = at;
  while (*at != '\0' && *at != '=' && *at != ',') at++;
  return *at == '=' && at > start;
}

static void add_parameter(struct line *line, const char *name, const char *value)
{
  if (*value == '\0') return;
  if (line->length > 0) line_character(line, ' ');
  line_text(line, name);
  line_character(line, '=');
  line_text(line, value);
}

int named_driver(const char *command_line, char driver[DRIVER_NAME_SIZE], char *parameters, size_t size)
{
  char nic[256], value[64];
  struct line line;
  line_clear(&line);
  command_line_value(command_line, "NIC", nic, sizeof nic);
  size_t length = 0;
  while (nic[length] != ',' && nic[length] != '\0') length++;
  if (length == 0 || !text_copy(driver, DRIVER_NAME_SIZE, nic, length)) return 0;
  const char *at = nic + length + (nic[length] == ',');
  for (; *at != '\0'; at++) line_character(&line, *at == ',' && is_assignment(at + 1) ? ' ' : *at);
  command_line_value(command_line, "IO", value, sizeof value);
  add_parameter(&line, "io", value);
  command_line_value(command_line, "IRQ", value, sizeof value);
  add_parameter(&line, "irq", value);
  return text_copy(parameters, size, line.text, line.length);
}
