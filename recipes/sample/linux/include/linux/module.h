/*
 * Modules in the form of Linux 2.4: relocatable .o files, whose section .modinfo holds strings
 * "key=value" for modinfo and depmod, and in which the symbols __module_<bus>_device_size and
 * __module_<bus>_device_table lead to the ids of what they drive. Symbols for modules are listed by
 * EXPORT_SYMBOL in the section __ksymtab, as pairs of value and name.
 */
#ifndef _LINUX_MODULE_H
#define _LINUX_MODULE_H

#include <linux/version.h>

struct module_symbol {
	unsigned long value;
	const char *name;
};

#define EXPORT_SYMBOL(symbol) \
	static const char __kstrtab_##symbol[] \
		__attribute__((used, section(".kstrtab"))) = #symbol; \
	static const struct module_symbol __ksymtab_##symbol \
		__attribute__((used, section("__ksymtab"))) = \
		{ (unsigned long) &symbol, __kstrtab_##symbol }

#ifdef MODULE

#define MODINFO(name, text) \
	static const char __module_##name[] __attribute__((used, section(".modinfo"))) = #name "=" text

MODINFO(kernel_version, UTS_RELEASE);

#define MODULE_DEVICE_TABLE(bus, table) \
	static const unsigned long __module_##bus##_device_size \
		__attribute__((used)) = sizeof(struct bus##_device_id); \
	static const struct bus##_device_id *__module_##bus##_device_table \
		__attribute__((used)) = table

#else

/* Nothing, in a form that may end in a semicolon. */
#define MODINFO(name, text) struct module_symbol
#define MODULE_DEVICE_TABLE(bus, table) struct module_symbol

#endif

#define MODULE_LICENSE(text) MODINFO(license, text)
#define MODULE_AUTHOR(text) MODINFO(author, text)
#define MODULE_DESCRIPTION(text) MODINFO(description, text)

#endif
