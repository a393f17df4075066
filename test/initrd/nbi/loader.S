/*
 * A boot ROM in the small: a multiboot program that takes a Net Boot Image as its one module, has loader.c check
 * and place it, and enters it as the proposal says: in real mode by a far call, or in protected mode.
 */
        .set    FLAGS, 0x3              /* modules on page boundaries, memory information */
        .section .multiboot, "a"
        .balign 4
        .long   0x1badb002, FLAGS, -(0x1badb002 + FLAGS)

        .text
        .globl  _start
_start:
        movl    $stack_top, %esp
        pushl   %ebx                    /* multiboot information */
        call    load_image
        hlt

/* void enter_linear(u32 entry, u32 header, u32 packet): as iPXE calls it */
        .globl  enter_linear
enter_linear:
        movl    4(%esp), %eax
        movl    8(%esp), %ecx
        movl    12(%esp), %edx
        pushl   %edx
        pushl   %ecx
        pushl   $0                      /* loader information */
        call    *%eax
        hlt

/* void enter_real(u32 entry, u32 header, u32 packet): segment and offset each, the offset in the low half */
        .globl  enter_real
enter_real:
        movl    4(%esp), %eax
        movl    8(%esp), %ecx
        movl    12(%esp), %edx
        movl    $trampoline_end - trampoline, %ebx
        pushl   %ecx
        movl    $trampoline, %esi
        movl    $0x7000, %edi
        movl    %ebx, %ecx
        cld
        rep     movsb
        popl    %ecx
        lgdt    0x7000 + table_pointer - trampoline
        ljmp    $8, $(0x7000 + real16 - trampoline)

        .balign 16
trampoline:
        .code16
real16:
        movw    $16, %bx
        movw    %bx, %ds
        movw    %bx, %es
        movw    %bx, %ss
        movl    %cr0, %ebx
        andb    $0xfe, %bl
        movl    %ebx, %cr0
        ljmp    $0, $(0x7000 + in_real - trampoline)
in_real:
        xorw    %bx, %bx
        movw    %bx, %ds
        movw    %bx, %es
        movw    %bx, %ss
        movl    $0x6ff0, %esp
        lidtl   0x7000 + vectors - trampoline
        sti
        pushl   %edx
        pushl   %ecx
        pushw   %cs
        pushw   $(0x7000 + returned - trampoline)
        pushl   %eax
        lretw
returned:
        hlt
        jmp     returned
        .balign 8
table:  .quad   0, 0x00009a000000ffff, 0x000092000000ffff
table_pointer:
        .word   . - table - 1
        .long   0x7000 + table - trampoline
vectors:
        .word   0x3ff
        .long   0
trampoline_end:

        .bss
        .balign 16
        .space  16384
stack_top:
        .section .note.GNU-stack, "", @progbits
