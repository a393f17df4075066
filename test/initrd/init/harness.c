/*
 * The pure parts of Kiln's init, on the host: each is run on files, or on files with bytes changed and cut at
 * random. Built with the compiler's sanitizers, which end it at the first byte that is read or written beside
 * what was allocated.
 *
 *   link MODULE PARAMETERS        links it at BASE; the image to stdout, or what is wrong to stderr
 *   link-versions MODULE PARAMETERS  the same for a kernel with CONFIG_MODVERSIONS
 *   fuzz-link MODULE SEED ROUNDS
 *   dhcp PACKET                   the lease, a line for each part
 *   fuzz-dhcp PACKET SEED ROUNDS
 *   fuzz-rpc PACKET SEED ROUNDS
 *   drivers NICLIST VENDOR:DEVICE the drivers of the card, in order
 *   depends MODULES.DEP NAME      the paths of its line
 *   fuzz-lists FILE SEED ROUNDS   both of these
 *   nic COMMAND-LINE              driver and parameters
 */
#include <stdio.h>
#include <stdlib.h>
#undef NULL
#include "cards.h"
#include "depends.h"
#include "dhcp.h"
#include "link.h"
#include "memory.h"
#include "nfs.h"
#include "rpc.h"

enum { BASE = 0x48000000, KERNEL = 0x40100000, OTHER_MODULE = 0x47000000 };

void *memory_get(size_t size) { return calloc(1, size == 0 ? 1 : size); }
void memory_free(void *memory, size_t size)
{
  (void)size;
  free(memory);
}

static u8 *read_file(const char *path, u32 *size)
{
  FILE *file = fopen(path, "rb");
  if (file == NULL) exit(2);
  fseek(file, 0, SEEK_END);
  *size = (u32)ftell(file);
  rewind(file);
  u8 *bytes = malloc(*size + 1);
  if (fread(bytes, 1, *size, file) != *size) exit(2);
  bytes[*size] = 0;
  fclose(file);
  return bytes;
}

/* The kernel exports printk at KERNEL, another module helper, and a third one something for the GPL alone. */
static struct symbol_table table_of(const char *name, u32 value, u32 module)
{
  size_t length = text_length(name) + 1;
  u8 *bytes = malloc(8 + length);
  put_le32(bytes, value);
  put_le32(bytes + 4, 8);
  memcpy(bytes + 8, name, length);
  return (struct symbol_table){bytes, (u32)(8 + length), 1, module};
}

/* Whether the kernel's symbols have versions. */
static int has_versions;

static int link_module(const u8 *bytes, u32 size, const char *parameters, struct line *fault, u8 **image, u32 *image_size)
{
  struct symbol_table tables[3] = {
      table_of(has_versions ? "printk_R1b7d4074" : "printk", KERNEL, 0),
      table_of(has_versions ? "helper_Rsmp_0badcafe" : "helper", OTHER_MODULE + 0x100, OTHER_MODULE),
      table_of("GPLONLY_secret", KERNEL + 0x200, 0)};
  struct module_link link = {.name = "probe",
                             .parameters = parameters,
                             .release = "2.4.22",
                             .kernel_has_versions = has_versions,
                             .tables = tables,
                             .table_count = 3};
  int result = object_open(&link.object, bytes, size, fault);
  *image = NULL;
  if (result == 0) {
    result = link_layout(&link, fault);
    if (result == 0) {
      *image = calloc(1, link.size);
      *image_size = link.size;
      result = link_finish(&link, *image, BASE, fault);
    }
    link_free(&link);
  }
  for (int index = 0; index < 3; index++) free((void *)tables[index].bytes);
  return result;
}

static u32 random_state;
static u32 chance(u32 below)
{
  random_state = random_state * 1664525 + 1013904223;
  return below == 0 ? 0 : (random_state >> 8) % below;
}

/* A copy of exactly the size it says, so that reading on is noticed: bytes changed, and at times cut short. */
static u8 *damaged(const u8 *bytes, u32 size, u32 *damaged_size)
{
  *damaged_size = chance(4) == 0 ? chance(size + 1) : size;
  u8 *copy = malloc(*damaged_size == 0 ? 1 : *damaged_size);
  memcpy(copy, bytes, *damaged_size);
  for (u32 left = chance(12); left > 0 && *damaged_size > 0; left--) {
    /* The start, where headers are, more often than the rest. */
    u32 at = chance(3) == 0 ? chance(*damaged_size < 64 ? *damaged_size : 64) : chance(*damaged_size);
    copy[at] = chance(3) == 0 ? (u8)(copy[at] ^ 1 << chance(8)) : chance(2) == 0 ? 0xff : (u8)chance(256);
  }
  return copy;
}

static const struct dhcp_question question = {
    .transaction = 0x01020304, .hardware_address = {0x52, 0x54, 0, 0x12, 0x34, 0x56}};

static void print_address(const char *name, const u8 address[4])
{
  printf("%s %d.%d.%d.%d\n", name, address[0], address[1], address[2], address[3]);
}

static void print_lease(int type, const struct lease *lease)
{
  printf("type %d\n", type);
  if (type == DHCP_NOTHING || type == DHCP_NAK) return;
  print_address("address", lease->address);
  print_address("netmask", lease->netmask);
  print_address("router", lease->router);
  print_address("server", lease->server);
  print_address("next", lease->next_server);
  for (u32 index = 0; index < lease->name_server_count; index++) print_address("dns", lease->name_servers[index]);
  printf("host %s\ndomain %s\nroot %s\narguments %s\nseconds %u\nmtu %u\n", lease->host_name, lease->domain,
         lease->root_path, lease->arguments, lease->seconds, lease->mtu);
}

static void fuzz_one(const char *what, const u8 *bytes, u32 size)
{
  struct line fault;
  line_clear(&fault);
  if (text_equal(what, "fuzz-link")) {
    u8 *image;
    u32 image_size;
    link_module(bytes, size, "io=0x300,5 mode=fast name=x", &fault, &image, &image_size);
    free(image);
  } else if (text_equal(what, "fuzz-dhcp")) {
    struct lease lease;
    dhcp_read(bytes, size, &question, &lease);
  } else if (text_equal(what, "fuzz-rpc")) {
    struct rpc_results results;
    u8 handle[64];
    u32 number;
    if (rpc_read(bytes, size, 0x01020304, &results) == RPC_ANSWERED && rpc_take_number(&results, &number))
      if (number <= sizeof handle) rpc_take_bytes(&results, handle, number);
  } else {
    char *text = malloc(size + 1), driver[DRIVER_NAME_SIZE], parameters[64], path[64];
    struct pci_card card;
    struct dependency_list list;
    struct nfs_root root;
    static const u8 server[4] = {10, 0, 0, 1};
    memcpy(text, bytes, size);
    text[size] = '\0';
    read_pci_card(text, &card);
    card = (struct pci_card){0, 0x10ec, 0x8139};
    for (const char *at = text; at != NULL;) at = next_driver(at, &card, driver);
    named_driver(text, driver, parameters, sizeof parameters);
    const char *line = find_module(text, "8139too");
    if (line != NULL && dependencies_of(&list, line)) module_path(path, sizeof path, "2.4.22", &list.words[0]);
    nfs_read_root(&root, text, server, "ws001", &fault);
    free(text);
  }
}

static int fuzz(const char *what, const char *path, u32 rounds)
{
  u32 size, damaged_size;
  u8 *bytes = read_file(path, &size);
  for (; rounds > 0; rounds--) {
    u8 *copy = damaged(bytes, size, &damaged_size);
    fuzz_one(what, copy, damaged_size);
    free(copy);
  }
  free(bytes);
  return 0;
}

int main(int count, char **words)
{
  u32 size;
  if (count == 5) {
    random_state = (u32)atoi(words[3]);
    return fuzz(words[1], words[2], (u32)atoi(words[4]));
  }
  if (text_equal(words[1], "nic")) {
    char driver[DRIVER_NAME_SIZE], parameters[256];
    if (named_driver(words[2], driver, parameters, sizeof parameters)) printf("%s\n%s\n", driver, parameters);
    return 0;
  }
  u8 *bytes = read_file(words[2], &size);
  has_versions = text_equal(words[1], "link-versions");
  if (has_versions || text_equal(words[1], "link")) {
    struct line fault;
    u8 *image;
    u32 image_size;
    line_clear(&fault);
    int result = link_module(bytes, size, words[3], &fault, &image, &image_size);
    if (result == 0) fwrite(image, 1, image_size, stdout);
    else fprintf(stderr, "%s\n", line_string(&fault));
    free(image);
    free(bytes);
    return result == 0 ? 0 : 1;
  }
  if (text_equal(words[1], "dhcp")) {
    struct lease lease;
    print_lease(dhcp_read(bytes, size, &question, &lease), &lease);
  }
  if (text_equal(words[1], "drivers")) {
    char driver[DRIVER_NAME_SIZE];
    struct pci_card card = {0, 0, 0};
    unsigned vendor, device;
    if (sscanf(words[3], "%x:%x", &vendor, &device) != 2) return 2;
    card.vendor = (u16)vendor;
    card.device = (u16)device;
    const char *at = (const char *)bytes;
    while ((at = next_driver(at, &card, driver)) != NULL) printf("%s\n", driver);
  }
  if (text_equal(words[1], "depends")) {
    struct dependency_list list;
    const char *line = find_module((const char *)bytes, words[3]);
    if (line != NULL && dependencies_of(&list, line))
      for (int index = 0; index < list.count; index++)
        printf("%.*s\n", (int)list.words[index].length, list.words[index].at);
  }
  free(bytes);
  return 0;
}
