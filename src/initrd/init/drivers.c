#include "drivers.h"
#include "cards.h"
#include "console.h"
#include "kernel.h"
#include "modules.h"
#include "network.h"

enum { MAX_DRIVERS = 8, CLASS_NETWORK = 2, PARAMETERS_SIZE = 512 };

/* Drivers that have taken a card; another card of theirs is then taken too. */
struct taken {
  int count;
  char drivers[MAX_DRIVERS][DRIVER_NAME_SIZE];
};

static int has_taken(const struct taken *taken, const char *driver)
{
  for (int index = 0; index < taken->count; index++)
    if (text_equal(taken->drivers[index], driver)) return 1;
  return 0;
}

static void line_card(struct line *line, const struct pci_card *card)
{
  line_hex(line, (u8)(card->vendor >> 8));
  line_hex(line, (u8)card->vendor);
  line_character(line, ':');
  line_hex(line, (u8)(card->device >> 8));
  line_hex(line, (u8)card->device);
}

static void say_card(const struct pci_card *card, const char *what, const char *name)
{
  struct line line;
  line_start(&line);
  line_text(&line, "network card ");
  line_card(&line, card);
  line_text(&line, what);
  line_text(&line, name);
  line_say(&line);
}

/* Whether a driver that the list has for the card takes it. The number of drivers tried. */
static int drive_card(const struct pci_card *card, const char *niclist, const char *release, struct taken *taken)
{
  char driver[DRIVER_NAME_SIZE];
  int tried = 0;
  const char *at = niclist;
  while ((at = next_driver(at, card, driver)) != NULL) {
    int before = network_cards();
    tried++;
    if (has_taken(taken, driver)) return tried;
    say_card(card, ": driver ", driver);
    if (modules_load(release, driver, "") >= 0 && network_cards() > before) {
      if (taken->count < MAX_DRIVERS) memcpy(taken->drivers[taken->count++], driver, DRIVER_NAME_SIZE);
      return tried;
    }
    say_card(card, " is not taken by ", driver);
  }
  return tried;
}

static void line_two_hex(struct line *line, u32 value)
{
  line_hex(line, (u8)value);
}

/* PCI's class of a function, from its configuration space; -1 where the kernel does not show it. */
static int class_of(const struct pci_card *card)
{
  u8 configuration[16];
  struct line path;
  line_clear(&path);
  line_text(&path, "/proc/bus/pci/");
  line_two_hex(&path, card->place >> 8);
  line_character(&path, '/');
  line_two_hex(&path, (card->place & 255) >> 3);
  line_character(&path, '.');
  line_number(&path, card->place & 7);
  int file = kernel_open(line_string(&path), O_RDONLY);
  if (file < 0) return -1;
  int got = kernel_read(file, configuration, sizeof configuration);
  kernel_close(file);
  return got < 12 ? -1 : configuration[11];
}

static void drive_all(const char *devices, const char *niclist, const char *release)
{
  struct taken taken = {0, {{0}}};
  struct pci_card card;
  int cards = 0;
  for (const char *at = devices; *at != '\0'; at = skip_line(at)) {
    if (!read_pci_card(at, &card)) continue;
    int tried = drive_card(&card, niclist, release, &taken);
    if (tried == 0 && class_of(&card) == CLASS_NETWORK)
      say_card(&card, ": /etc/niclist has no driver for it", "");
    cards += tried > 0;
  }
  if (cards == 0) say("no PCI card of /etc/niclist; one for ISA is named by NIC=driver IO=address IRQ=number", "", "");
}

/* False when there is no list to go by. */
static int load_listed(const char *release)
{
  struct file devices, niclist;
  int error = file_read(&niclist, "/etc/niclist");
  if (error < 0) {
    say("no driver for a network card: neither in the kernel, nor in /etc/niclist, nor by NIC=", "", "");
    return 0;
  }
  error = file_read(&devices, "/proc/bus/pci/devices");
  if (error < 0) say_error("no PCI in this kernel or machine: ", "/proc/bus/pci/devices", error);
  else {
    drive_all((const char *)devices.bytes, (const char *)niclist.bytes, release);
    file_free(&devices);
  }
  file_free(&niclist);
  return 1;
}

int drivers_load(const char *release, const char *command_line)
{
  char driver[DRIVER_NAME_SIZE], parameters[PARAMETERS_SIZE];
  int built_in = network_cards();
  if (built_in > 0) return built_in;
  if (named_driver(command_line, driver, parameters, sizeof parameters)) {
    say("network card by NIC=: driver ", driver, "");
    modules_load(release, driver, parameters);
  } else if (!load_listed(release)) return 0;
  int cards = network_cards();
  return cards > 0 ? cards : -ENODEV;
}
