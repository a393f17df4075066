/*
 * The kernel's first instructions in protected mode (esi: address of the real-mode part), and where the
 * processor goes on a fault.
 */
	.section .text.head, "ax"
	.globl	startup_32
startup_32:
	cld
	cli
	lgdt	gdt_pointer
	ljmp	$0x10, $1f
1:	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %fs
	movl	%eax, %gs
	movl	%eax, %ss
	movl	$stack_top, %esp
	pushl	$0
	popfl
	pushl	%esi
	call	trap_init
	call	start_kernel
2:	hlt
	jmp	2b

/*
 * One entry a processor exception, 16 bytes apart. Those without an error code push a 0 in its place, so
 * that every frame is: vector, error code, eip, cs, eflags.
 */
	.text
	.globl	trap_entries
	.balign	16
trap_entries:
	vector = 0
	.rept	32
	.balign	16
	.if	(vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17)
	.else
	pushl	$0
	.endif
	pushl	$vector
	jmp	trap_common
	vector = vector + 1
	.endr

	.balign	16
trap_common:
	cld
	pushl	%esp
	call	do_trap
	hlt

	.section .data
	.balign	8
gdt:	.quad	0, 0
	.quad	0x00cf9a000000ffff	/* 0x10: code, flat */
	.quad	0x00cf92000000ffff	/* 0x18: data, flat */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

	.section .bss
	.balign	16
	.skip	16384
stack_top:

	.section .note.GNU-stack, "", @progbits
