/*
 * Functions that run once at boot: a driver's module_init() puts a pointer to it into the section
 * .initcall.init, and init/main.c calls them in the order in which they were linked. In a module it is
 * init_module() instead, which insmod calls.
 */
#ifndef _LINUX_INIT_H
#define _LINUX_INIT_H

typedef int (*initcall_t)(void);

#ifdef MODULE

#define module_init(function) int init_module(void) __attribute__((alias(#function)));
#define module_exit(function) void cleanup_module(void) __attribute__((alias(#function)));

#else

#define module_init(function) \
	static initcall_t __initcall_##function \
		__attribute__((used, section(".initcall.init"))) = function;
#define module_exit(function) \
	static void (*__exitcall_##function)(void) \
		__attribute__((used, section(".exitcall.exit"))) = function;

#endif

#endif
