/*
 * The real-mode part of a bzImage: boot sector, setup header, and the way into protected mode.
 *
 * The format is "The Linux/i386 Boot Protocol" (Documentation/i386/boot.txt of Linux), version 2.03.
 * A boot loader puts these sectors anywhere below 640 KiB, the kernel proper at 1 MiB, fills in the
 * header, and jumps to offset 0x200 with ds = es = ss = the segment of offset 0.
 */
#include <linux/config.h>
#include <linux/version.h>

	.code16
	.text
	.globl	_start

/* --- boot sector: runs only if someone boots this image itself --- */

_start:
	ljmp	$0x7c0, $1f
1:	movw	%cs, %ax
	movw	%ax, %ds
	xorw	%ax, %ax
	movw	%ax, %ss
	movw	$0x7c00, %sp
	movw	$message, %si
	cld
2:	lodsb
	testb	%al, %al
	jz	3f
	movb	$0x0e, %ah
	movw	$7, %bx
	int	$0x10
	jmp	2b
3:	xorw	%ax, %ax		/* a key, then the next device */
	int	$0x16
	int	$0x19
	jmp	3b

message:
	.ascii	CONFIG_BOOT_SECTOR_MESSAGE
	.asciz	"\r\nPress a key to boot something else.\r\n"

	.org	0x1f1
setup_sects:	.byte	0		/* this, syssize: filled in by tools/build */
root_flags:	.word	1		/* read only */
syssize:	.long	0
ram_size:	.word	0
vid_mode:	.word	0xffff		/* leave the screen as it is */
root_dev:	.word	0
boot_flag:	.word	0xaa55

/* --- setup header, at 0x200 --- */

	jmp	start_of_setup
	.ascii	"HdrS"
	.word	0x0203			/* protocol version */
realmode_swtch:	.long	0
start_sys_seg:	.word	0x1000
	.word	kernel_version - 0x200
type_of_loader:	.byte	0
loadflags:	.byte	1		/* LOADED_HIGH: the kernel is at 1 MiB */
setup_move_size: .word	0x8000
code32_start:	.long	0x100000
ramdisk_image:	.long	0
ramdisk_size:	.long	0
bootsect_kludge: .long	0
heap_end_ptr:	.word	0
		.word	0
cmd_line_ptr:	.long	0
initrd_addr_max: .long	0x37ffffff

	/* Room for the fields of later versions: boot loaders write to some of them unasked. */
	.org	0x270

start_of_setup:
	cli
	cld
	pushw	%ds			/* cs becomes ds: from here on all offsets count from 0 */
	pushw	$1f
	lretw

	/* A20 on, by the BIOS and by the fast gate; it takes one that works. */
1:	movw	$0x2401, %ax
	int	$0x15
	cli
	inb	$0x92, %al
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92

	/* No interrupt from now on: the PICs are masked as well. */
	movb	$0xff, %al
	outb	%al, $0xa1
	outb	%al, $0x21

	/* esi: where this part lies, for the kernel to read the header. */
	xorl	%esi, %esi
	movw	%cs, %si
	shll	$4, %esi

	leal	gdt(%esi), %eax
	movl	%eax, %cs:gdt_pointer + 2
	movl	%cs:code32_start, %eax
	movl	%eax, %cs:entry
	lgdtl	%cs:gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	jmp	2f
2:	movw	$0x18, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss

	.byte	0x66, 0xea		/* ljmpl $0x10, $entry */
entry:	.long	0
	.word	0x10

	.balign	8
gdt:	.quad	0, 0
	.quad	0x00cf9a000000ffff	/* 0x10: code, flat */
	.quad	0x00cf92000000ffff	/* 0x18: data, flat */
gdt_pointer:
	.word	. - gdt - 1
	.long	0

kernel_version:
	.asciz	UTS_RELEASE

	.section .note.GNU-stack, "", @progbits
