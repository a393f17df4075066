/*
 * The first program of a Net Boot Image, between the boot ROM and the kernel's own setup code: appends DHCP
 * option 129 to the kernel's command line, if option 128 has the Ethernet magic, and starts setup in real mode.
 * ROMs enter at `start` in real mode, or at `entry32` in protected mode (Draft Net Boot Image Proposal 0.3).
 */
        .code16
        .text
        .globl  start
start:
        jmp     entry16
        .balign 4
/* Filled in by the writer (nbi/write.ts), but for the last, which it reads. */
setup_segment:  .word 0         /* where the boot sector is; setup follows it */
stack_pointer:  .word 0         /* in that segment */
line_segment:   .word 0         /* where the command line is, at offset 0 */
line_room:      .word 0         /* most bytes of it, the final zero included */
entry_offset:   .word entry32 - start
        .word 0

/* Called far with the addresses of the header and of the DHCP packet on the stack, as segment and offset. */
entry16:
        cld
        movw    %sp, %bp
        ldsw    8(%bp), %si
        jmp     common

/* Called with loader information, header and DHCP packet as linear addresses on the stack. */
        .code32
entry32:
        cli
        cld
        movl    12(%esp), %eax
        call    1f
1:      popl    %ebx
        subl    $(1b - start), %ebx
        leal    table - start(%ebx), %ecx
        movl    %ecx, table_address - start(%ebx)
        movl    %ebx, %ecx
        movw    %cx, code16 - start + 2(%ebx)
        movw    %cx, data16 - start + 2(%ebx)
        shrl    $16, %ecx
        movb    %cl, code16 - start + 4(%ebx)
        movb    %cl, data16 - start + 4(%ebx)
        movl    %ebx, %ecx
        shrl    $4, %ecx
        movw    %cx, real_segment - start(%ebx)
        lgdt    table_pointer - start(%ebx)
        ljmp    $8, $(in16 - start)

        .code16
in16:
        movw    $16, %cx
        movw    %cx, %ds
        movw    %cx, %es
        movw    %cx, %fs
        movw    %cx, %gs
        movw    %cx, %ss
        movl    %cr0, %ecx
        andb    $0xfe, %cl
        movl    %ecx, %cr0
        .byte   0xea                    /* ljmp real_segment:real */
        .word   real - start
real_segment:
        .word   0
real:
        movw    %cs, %cx
        movw    %cx, %ds
        lidtl   vectors - start
        /* Of the packet, segment and offset; one above 1 MiB is out of reach, as if there were none. */
        xorw    %si, %si
        movl    %eax, %ecx
        shrl    $20, %ecx
        jnz     2f
        movw    %ax, %si
        andw    $15, %si
        shrl    $4, %eax
        movw    %ax, %ds
        jmp     common
2:      movw    %si, %ds

/* %ds:%si is the DHCP packet, or 0:0. The caller's stack is not needed any more. */
common:
        cli
        movw    %cs:setup_segment - start, %ax
        movw    %ax, %ss
        movw    %cs:stack_pointer - start, %sp
        sti
        movw    %ds, %ax
        orw     %si, %ax
        jz      start_kernel
        addw    $236, %si
        cmpl    $0x63538263, (%si)      /* the magic cookie: 99, 130, 83, 99 */
        jne     start_kernel
        addw    $4, %si
        movw    %si, %bp
        addw    $1200, %bp              /* no packet on an Ethernet is longer */
        xorw    %bx, %bx                /* where option 129 is */
        xorw    %dx, %dx                /* whether option 128 was right */
next:
        cmpw    %bp, %si
        jae     append
        lodsb
        cmpb    $255, %al
        je      append
        testb   %al, %al
        jz      next
        movb    %al, %ah
        lodsb
        movzbw  %al, %cx
        cmpb    $128, %ah
        jne     1f
        cmpw    $6, %cx
        jb      1f
        cmpl    $0x687445e4, (%si)      /* e4:45:74:68:00:00 */
        jne     1f
        cmpw    $0, 4(%si)
        jne     1f
        incw    %dx
1:      cmpb    $129, %ah
        jne     2f
        leaw    -1(%si), %bx
2:      addw    %cx, %si
        jmp     next

append:
        testw   %dx, %dx
        jz      start_kernel
        testw   %bx, %bx
        jz      start_kernel
        movw    %bx, %si
        movw    %cs:line_segment - start, %ax
        movw    %ax, %es
        xorw    %di, %di
        movw    %cs:line_room - start, %cx
        movw    %cx, %bp
        decw    %bp                     /* one byte stays for the final zero */
        xorb    %al, %al
        repne   scasb
        decw    %di
        movb    $' ', %al
        cmpw    %bp, %di
        jae     start_kernel
        stosb
        lodsb
        movzbw  %al, %cx
3:      jcxz    4f
        cmpw    %bp, %di
        jae     4f
        movsb
        decw    %cx
        jmp     3b
4:      xorb    %al, %al
        stosb

start_kernel:
        movw    %ss, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %fs
        movw    %ax, %gs
        addw    $0x20, %ax
        pushw   %ax
        pushw   $0
        lretw

        .balign 8
table:
        .quad   0
code16: .quad   0x00009a000000ffff
data16: .quad   0x000092000000ffff
table_pointer:
        .word   . - table - 1
table_address:
        .long   0
vectors:
        .word   0x3ff
        .long   0
        .section .note.GNU-stack, "", @progbits
