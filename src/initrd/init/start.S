/* Where the kernel enters: the stack pointer leads to argc, argv and the environment. */
        .text
        .globl  _start
_start:
        xorl    %ebp, %ebp
        movl    %esp, %eax
        andl    $-16, %esp
        subl    $12, %esp
        pushl   %eax
        call    init_main
        hlt

        .section .note.GNU-stack, "", @progbits
