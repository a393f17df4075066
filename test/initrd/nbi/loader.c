/*
 * Checks and places a Net Boot Image, written from the Draft Net Boot Image Proposal 0.3 alone: nothing of it
 * comes from Kiln's writer. What is wrong is said on the first serial port, and nothing is started.
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

/* Multiboot specification 0.6.96, 3.3. */
struct module { u32 start, end, string, reserved; };
struct multiboot { u32 flags, lower, upper, device, command_line, modules_count, modules; };

struct image { u32 magic; u8 lengths, flags[3]; u32 location, entry; };
struct segment { u8 lengths, tag, reserved, flags; u32 address, file_length, memory_length; };

void enter_linear(u32 entry, u32 header, u32 packet);
void enter_real(u32 entry, u32 header, u32 packet);
void load_image(const struct multiboot *information);

static void put(char character)
{
  __asm__ volatile("outb %0, %1" : : "a"(character), "d"((u16)0x3f8));
}

static void say(const char *text)
{
  while (*text != '\0') put(*text++);
}

static void stop(const char *why)
{
  say("loader: refused: ");
  say(why);
  say("\r\n");
  /* QEMU ends with this (-device isa-debug-exit). */
  __asm__ volatile("outb %0, %1" : : "a"((u8)1), "d"((u16)0xf4));
  for (;;) __asm__ volatile("hlt");
}

static void copy(u8 *to, const u8 *from, u32 size)
{
  while (size-- != 0) *to++ = *from++;
}

static u32 linear(u32 far_pointer)
{
  return ((far_pointer >> 16) << 4) + (far_pointer & 0xffff);
}

/* A DHCP answer with options 128 (the Ethernet magic) and 129, where a ROM would keep it. */
static u32 make_packet(void)
{
  static const u8 options[] = {99, 130, 83, 99, 53, 1, 5, 128, 6, 0xe4, 0x45, 0x74, 0x68, 0, 0,
                               129, 18, 'k', 'i', 'l', 'n', '.', 'o', 'p', 't', 'i', 'o', 'n', '1', '2', '9',
                               '=', 'y', 'e', 's', 255};
  u8 *packet = (u8 *)0x8000;
  for (int at = 0; at < 600; at++) packet[at] = 0;
  copy(packet + 236, options, sizeof options);
  return (u32)packet;
}

void load_image(const struct multiboot *information)
{
  if (information->modules_count != 1) stop("one module is expected");
  const struct module *module = (const struct module *)information->modules;
  const u8 *file = (const u8 *)module->start;
  u32 size = module->end - module->start;
  const struct image *image = (const struct image *)file;
  if (size < 512 || image->magic != 0x1b031336) stop("no magic");
  if ((image->lengths & 15) != 4) stop("the header's fixed part is not four dwords");
  if (file[510] != 0x55 || file[511] != 0xaa) stop("no 55 AA");
  if (linear(image->location) + 512 > 0xa0000) stop("the header is for above 640 KiB");
  u32 at = 4 * ((image->lengths & 15) + (image->lengths >> 4));
  u32 data = 512;
  for (int last = 0; !last;) {
    const struct segment *segment = (const struct segment *)(file + at);
    u32 length = 4 * ((segment->lengths & 15) + (segment->lengths >> 4));
    if ((segment->lengths & 15) != 4 || at + length > 510) stop("a descriptor that does not fit");
    if ((segment->flags & 3) != 0) stop("an address that is not absolute");
    if (segment->file_length > segment->memory_length) stop("more in the file than in memory");
    if (data + segment->file_length > size) stop("the file is cut short");
    /* What the multiboot loader and this program take, from 2 MiB on. */
    u32 end = segment->address + segment->memory_length;
    if (segment->address < 0x10000 || (segment->address < 0x100000 && end > 0x9a000)) stop("an address for the ROM");
    if (end > module->start && segment->address < module->end) stop("the image would overwrite itself");
    u8 *target = (u8 *)segment->address;
    for (u32 zero = segment->file_length; zero < segment->memory_length; zero++) target[zero] = 0;
    copy(target, file + data, segment->file_length);
    data += segment->file_length;
    at += length;
    last = segment->flags & 4;
  }
  if (data != size) stop("bytes behind the last segment");
  copy((u8 *)linear(image->location), file, 512);
  u32 packet = make_packet();
  say("loader: entering\r\n");
  if (image->flags[2] & 0x80) enter_linear(image->entry, linear(image->location), packet);
  else enter_real(image->entry, image->location, (packet >> 4) << 16);
}
