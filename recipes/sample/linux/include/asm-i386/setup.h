/*
 * Where in the real-mode part the boot loader leaves what the kernel wants to know: the setup header,
 * from Documentation/i386/boot.txt of Linux ("The Linux/i386 Boot Protocol", version 2.03).
 */
#ifndef _ASM_I386_SETUP_H
#define _ASM_I386_SETUP_H

#define HEADER_RAMDISK_IMAGE	0x218
#define HEADER_RAMDISK_SIZE	0x21c
#define HEADER_CMD_LINE_PTR	0x228

#define COMMAND_LINE_SIZE	2048

#endif
