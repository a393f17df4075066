/*
 * Faults: each of the processor's 32 exceptions ends in a panic that says which one it was and where.
 * Gate format and names: Intel's manual, volume 3, "Interrupt and Exception Handling".
 */
#include <linux/kernel.h>

#define EXCEPTIONS 32
#define KERNEL_CODE 0x10
#define INTERRUPT_GATE 0x8e00	/* present, privilege 0, 32 bits */
#define ENTRY_SIZE 16		/* as in head.S */

struct gate {
	u16 offset_low, selector, type, offset_high;
};

struct trap_frame {
	u32 vector, error_code, eip, cs, eflags;
};

extern char trap_entries[];

static struct gate idt[EXCEPTIONS];

static const char *const names[] = {
	"divide error", "debug", "NMI", "breakpoint", "overflow", "bounds", "invalid opcode",
	"no coprocessor", "double fault", "coprocessor segment overrun", "invalid TSS",
	"segment not present", "stack segment", "general protection", "page fault",
};

void trap_init(void)
{
	struct {
		u16 limit;
		u32 base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, (u32) idt };
	u32 entry = (u32) trap_entries;
	int i;

	for (i = 0; i < EXCEPTIONS; i++, entry += ENTRY_SIZE) {
		idt[i].offset_low = entry & 0xffff;
		idt[i].selector = KERNEL_CODE;
		idt[i].type = INTERRUPT_GATE;
		idt[i].offset_high = entry >> 16;
	}
	__asm__ __volatile__("lidt %0" : : "m" (pointer), "m" (idt));
}

void do_trap(const struct trap_frame *frame)
{
	const char *name = frame->vector < ARRAY_SIZE(names) ? names[frame->vector] : "exception";

	panic("%s (vector %u, error %04x) at %08x", name, frame->vector, frame->error_code, frame->eip);
}
