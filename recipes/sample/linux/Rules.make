# What every directory's Makefile ends with. It may set:
#   subdirs   directories below this one, in link order
#   obj-y     objects of the kernel, linked in this order after the directories' into O_TARGET
#   obj-m     objects that are modules; one that is in obj-y as well is no module
#   O_TARGET  the directory's own object, <directory>.o

sub-objs  := $(foreach dir,$(subdirs),$(dir)/$(dir).o)
mod-objs  := $(filter-out $(obj-y),$(sort $(obj-m)))
this-dir  := $(patsubst $(TOPDIR)/%,%,$(CURDIR))

# Objects that this make is about: `make modules` compiles with other flags than `make vmlinux`.
ifdef MAKING_MODULES
objs := $(mod-objs)
else
objs := $(sort $(obj-y))
endif

first_rule: $(O_TARGET)

.PHONY: first_rule fastdep modules modules_install FORCE

# --- commands; each object keeps the command that made it in .<object>.flags ---

compile  = $(CC) $(CFLAGS) $(EXTRA_CFLAGS)
assemble = $(CC) $(AFLAGS) $(EXTRA_AFLAGS)
recorded = $(strip $(subst $(TOPDIR),.,$(1)))
differs  = $(subst <$(call recorded,$(1))>,,<$(strip $(file <$(2)))>)
record   = @printf '%s\n' '$(call recorded,$(1))' >.$@.flags

%.o: %.c
	$(compile) -c -o $@ $<
	$(call record,$(compile))

%.o: %.S
	$(assemble) -c -o $@ $<
	$(call record,$(assemble))

$(O_TARGET): $(sub-objs) $(obj-y)
	@rm -f $@
	$(if $(filter %.o,$^),$(LD) -r -o $@ $(filter %.o,$^),$(AR) rcs $@)
	$(call record,$(LD) $(sub-objs) $(obj-y))

$(sub-objs): FORCE
	$(MAKE) -C $(@D)

# Whatever would be made by another command now than it was then is made again.
command-of = $(if $(wildcard $(1:.o=.S)),$(assemble),$(compile))
stale := $(foreach obj,$(objs),$(if $(call differs,$(call command-of,$(obj)),.$(obj).flags),$(obj)))
stale += $(if $(call differs,$(LD) $(sub-objs) $(obj-y),.$(O_TARGET).flags),$(O_TARGET))
$(stale): FORCE

# --- modules ---

modules: $(mod-objs) $(patsubst %,_mod_%,$(subdirs))

_mod_%: FORCE
	$(MAKE) -C $* modules

modules_install: $(patsubst %,_modinst_%,$(subdirs))
ifneq ($(mod-objs),)
	mkdir -p $(MODLIB)/kernel/$(this-dir)
	cp $(mod-objs) $(MODLIB)/kernel/$(this-dir)
endif

_modinst_%: FORCE
	$(MAKE) -C $* modules_install

# --- dependencies ---

fastdep: $(patsubst %,_dep_%,$(subdirs))
	$(TOPDIR)/scripts/mkdep $(TOPDIR)/include $(wildcard *.[cS]) >.depend

_dep_%: FORCE
	$(MAKE) -C $* fastdep

ifneq ($(wildcard .depend),)
include .depend
endif

FORCE:
