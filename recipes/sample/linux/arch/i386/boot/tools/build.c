/*
 * build SETUP KERNEL IMAGE
 *
 * Puts a bzImage together: the real-mode part, padded to whole sectors, then the kernel, and fills in the
 * two fields of the header that depend on sizes. Offsets are from "The Linux/i386 Boot Protocol".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define MIN_SETUP_SECTORS 4	/* besides the boot sector; some boot loaders expect no fewer */
#define MAX_SETUP_SECTORS 63
#define SETUP_SECTS 0x1f1
#define SYSSIZE 0x1f4		/* in units of 16 bytes */

static void die(const char *what, const char *path)
{
	fprintf(stderr, "build: %s: %s\n", path, what);
	exit(1);
}

static unsigned char *read_file(const char *path, long *size)
{
	FILE *file = fopen(path, "rb");
	unsigned char *data;

	if (!file || fseek(file, 0, SEEK_END) || (*size = ftell(file)) <= 0)
		die("cannot be read", path);
	rewind(file);
	data = malloc(*size);
	if (!data || fread(data, 1, *size, file) != (size_t)*size)
		die("cannot be read", path);
	fclose(file);
	return data;
}

static void write_padded(FILE *file, const unsigned char *data, long size, long padded)
{
	fwrite(data, 1, size, file);
	for (; size < padded; size++)
		putc(0, file);
}

int main(int argc, char **argv)
{
	long setup_size, kernel_size, sectors, paragraphs;
	unsigned char *setup, *kernel;
	FILE *image;
	int i;

	if (argc != 4) {
		fprintf(stderr, "usage: build SETUP KERNEL IMAGE\n");
		return 2;
	}
	setup = read_file(argv[1], &setup_size);
	kernel = read_file(argv[2], &kernel_size);
	if (setup_size <= SECTOR + 6 || memcmp(setup + 0x1fe, "\x55\xaa", 2) || memcmp(setup + 0x202, "HdrS", 4))
		die("is no setup", argv[1]);

	sectors = (setup_size + SECTOR - 1) / SECTOR - 1;
	if (sectors < MIN_SETUP_SECTORS)
		sectors = MIN_SETUP_SECTORS;
	if (sectors > MAX_SETUP_SECTORS)
		die("is too large", argv[1]);
	paragraphs = (kernel_size + 15) / 16;
	setup[SETUP_SECTS] = sectors;
	for (i = 0; i < 4; i++)
		setup[SYSSIZE + i] = paragraphs >> (8 * i);

	image = fopen(argv[3], "wb");
	if (!image)
		die("cannot be written", argv[3]);
	write_padded(image, setup, setup_size, (sectors + 1) * SECTOR);
	write_padded(image, kernel, kernel_size, paragraphs * 16);
	if (ferror(image) || fclose(image))
		die("cannot be written", argv[3]);
	return 0;
}
