/*
 * void probe(struct registers *registers): loads every register from `registers`, does int 0x80, and stores
 * them back. A process that the call made (it sees 0 in eax, and `child_registers` is set) stores what it finds
 * there and ends: it may share the stack with its parent.
 */
        .data
        .globl  child_registers
child_registers: .long 0
saved_esp: .long 0
current: .long 0

        .text
        .globl  probe
probe:
        pushl   %ebp
        pushl   %ebx
        pushl   %esi
        pushl   %edi
        movl    20(%esp), %eax
        movl    %eax, current
        movl    4(%eax), %ebx
        movl    8(%eax), %ecx
        movl    12(%eax), %edx
        movl    16(%eax), %esi
        movl    20(%eax), %edi
        movl    24(%eax), %ebp
        movl    0(%eax), %eax
        movl    %esp, saved_esp
        int     $0x80
        movl    saved_esp, %esp
        testl   %eax, %eax
        jne     store
        cmpl    $0, child_registers
        jne     child
store:
        pushl   %eax
        movl    current, %eax
        call    save
        popl    0(%eax)
        popl    %edi
        popl    %esi
        popl    %ebx
        popl    %ebp
        ret
child:
        movl    child_registers, %eax
        movl    %ebx, 4(%eax)
        movl    %ecx, 8(%eax)
        movl    %edx, 12(%eax)
        movl    %esi, 16(%eax)
        movl    %edi, 20(%eax)
        movl    %ebp, 24(%eax)
        movl    $1, 0(%eax)
        xorl    %ebx, %ebx
        movl    $1, %eax
        int     $0x80
save:
        movl    %ebx, 4(%eax)
        movl    %ecx, 8(%eax)
        movl    %edx, 12(%eax)
        movl    %esi, 16(%eax)
        movl    %edi, 20(%eax)
        movl    %ebp, 24(%eax)
        ret

/* A signal handler that leaves nothing in the registers: what comes back, the kernel has restored. */
        .globl  on_alarm
on_alarm:
        xorl    %ebx, %ebx
        xorl    %ecx, %ecx
        xorl    %edx, %edx
        xorl    %esi, %esi
        xorl    %edi, %edi
        xorl    %ebp, %ebp
        ret

/* Where it returns to: rt_sigreturn. */
        .globl  restore
restore:
        movl    $173, %eax
        int     $0x80

        .section .note.GNU-stack, "", @progbits
