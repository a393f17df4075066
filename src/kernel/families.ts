import { join } from 'node:path';
import { separateTargets } from '../kconfig/index.ts';
import { KilnError } from '../platform/errors.ts';
import { REPRODUCIBLE_RULES } from './compat/makefiles.ts';
import { COMPAT_RULES_2_2 } from './compat/rules-2.2.ts';
import { COMPAT_RULES_2_4 } from './compat/rules-2.4.ts';
import type { KernelFamily, PoolVariable, Reasoned } from './family.ts';

const COMPILER_FLAGS_2_4: readonly Reasoned[] = [
  { value: '-m32', reason: 'the kernel is 32-bit, the compiler may be 64-bit' },
  {
    value: '-std=gnu89',
    reason: 'the dialect of its time; later ones change inline and implicit declarations',
  },
  { value: '-fgnu89-inline', reason: "extern inline means 'no copy of its own'" },
  { value: '-fno-pie', reason: "a distribution's default that a kernel has no place for" },
  { value: '-fno-pic', reason: "a distribution's default that a kernel has no place for" },
  { value: '-fno-stack-protector', reason: 'it needs a canary and a handler that are not there' },
  { value: '-fcf-protection=none', reason: 'endbr32 and its notes are for user space' },
  { value: '-fno-asynchronous-unwind-tables', reason: 'no one reads the tables, and they would be loaded' },
  { value: '-fno-unwind-tables', reason: 'no one reads the tables, and they would be loaded' },
  {
    value: '-fno-toplevel-reorder',
    reason: 'static initcalls without users are dropped, and the boot is silent',
  },
  {
    value: '-fno-optimize-sibling-calls',
    reason: 'system calls would overwrite the saved user registers, which are their arguments',
  },
  {
    value: '-fno-tree-vectorize',
    reason: 'loops become calls or instructions that the kernel does not have',
  },
  {
    value: '-fno-tree-loop-distribute-patterns',
    reason: 'loops become calls of memmove, which is not there',
  },
  {
    value: '-ffreestanding',
    reason: 'the compiler would call library functions that the kernel does not have',
  },
  { value: '-fno-strict-aliasing', reason: 'sources of that time read one object through two types' },
  { value: '-fno-strict-overflow', reason: 'sources of that time count on wrapping' },
  { value: '-fwrapv', reason: 'sources of that time count on wrapping' },
  { value: '-fno-delete-null-pointer-checks', reason: 'checks behind a use of the pointer must stay' },
  ...['sra', 'cp', 'ra', 'modref', 'pure-const', 'reference', 'icf'].map((pass) => ({
    value: `-fno-ipa-${pass}`,
    reason: 'it looks across functions whose assembly does not tell all it does',
  })),
  { value: '-fno-reorder-functions', reason: 'init code must stay in the order it is linked in' },
  { value: '-mno-mmx', reason: 'the kernel saves no FPU state of its own' },
  { value: '-mno-sse', reason: 'the kernel saves no FPU state of its own' },
  { value: '-mno-sse2', reason: 'the kernel saves no FPU state of its own' },
  { value: '-mno-3dnow', reason: 'the kernel saves no FPU state of its own' },
  { value: '-Wa,-mx86-used-note=no', reason: 'a note section breaks the flat boot images' },
  { value: '-w', reason: 'thousands of warnings about sources of that age would bury an error' },
];

const ASSEMBLER_FLAGS_2_4: readonly Reasoned[] = [
  { value: '--32', reason: 'the kernel is 32-bit, the assembler may be 64-bit' },
  { value: '-mx86-used-note=no', reason: 'a note section breaks the flat boot images' },
];

/** Where makes run, this has to be seen. */
export const GENKSYMS = join(import.meta.dirname, 'compat/genksyms.sh');

/** What takes the tree's place out of __FILE__: that of an included header is an absolute path. */
export const FILE_PREFIX_MAP = '-ffile-prefix-map=';

const SHELL_2_4: Reasoned = {
  value: '/bin/bash',
  reason: 'recipes use echo -n, braces and other things that dash does not have: /bin/sh was bash then',
};

const VARIABLES_2_4: readonly Reasoned[] = [
  { value: 'ARCH=i386', reason: 'the Makefile asks uname, which may say x86_64' },
  { value: 'CONFIG_SHELL=/bin/bash', reason: 'the configuration scripts are for bash' },
  { value: 'DEPMOD=/bin/true', reason: "today's depmod reads only .ko; Kiln computes dependencies itself" },
  {
    value: `GENKSYMS=/bin/sh '${GENKSYMS}'`,
    reason: 'symbol versions (MODVERSIONS) need it, and it is in no distribution of today',
  },
  { value: 'ROOT_DEV=FLOPPY', reason: "CURRENT writes the build machine's root device into the image" },
];

const POOL_VARIABLES: readonly PoolVariable[] = [
  {
    file: 'arch/i386/Makefile',
    line: 'MAKEBOOT = $(MAKE) -C arch/$(ARCH)/boot',
    value: 'MAKEBOOT=+$(MAKE) -C arch/$(ARCH)/boot',
    reason:
      'make hands the pool on where a recipe says $(MAKE): behind another name the boot image is made by one process',
  },
];

const LINUX_2_4: KernelFamily = {
  name: 'linux-2.4-i386',
  covers: '2.4.x on i386',
  versions: /^2\.4\.\d+(?!\d)/,
  arch: 'i386',
  language: 'cml1',
  options: [],
  tools: [],
  buildFacts: { kind: 'header', file: 'include/linux/compile.h', users: ['init/version.o'] },
  compilerFlags: COMPILER_FLAGS_2_4,
  assemblerFlags: ASSEMBLER_FLAGS_2_4,
  shell: SHELL_2_4,
  variables: VARIABLES_2_4,
  poolVariables: POOL_VARIABLES,
  targets: {
    config: 'oldconfig',
    depend: 'dep',
    image: 'bzImage',
    modules: 'modules',
    install: 'modules_install',
  },
  everyConfiguration: ['init/main.c', 'init/do_mounts.c', 'misc.c', 'head.S'],
  noModules: ['kernel', 'pcmcia'],
  paths: {
    config: '.config',
    image: 'arch/i386/boot/bzImage',
    systemMap: 'System.map',
    autoconf: 'include/linux/autoconf.h',
    optionHeaders: 'include/config/MARKER',
  },
  shipped: [
    { file: 'drivers/char/defkeymap.c', madeFrom: 'drivers/char/defkeymap.map' },
    { file: 'drivers/char/qtronixmap.c', madeFrom: 'drivers/char/qtronixmap.map' },
  ],
  compatRules: COMPAT_RULES_2_4,
  reproducibleRules: REPRODUCIBLE_RULES,
};

const LINUX_2_2: KernelFamily = {
  ...LINUX_2_4,
  name: 'linux-2.2-i386',
  covers: '2.2.x on i386',
  versions: /^2\.2\.\d+(?!\d)/,
  // The boot sector and setup are in the syntax of bin86.
  tools: ['as86', 'ld86'],
  compilerFlags: [
    {
      value: '-D__KERNEL__',
      reason: "the Makefile's own word for the compiler, which this one replaces, has it",
    },
    {
      value: '-I{tree}/include',
      reason: "the Makefile's own word for the compiler, which this one replaces, has it",
    },
    ...COMPILER_FLAGS_2_4,
    { value: '-fcommon', reason: 'headers define variables that several files share' },
    { value: '-mpreferred-stack-boundary=2', reason: 'the Makefile does not ask for it: stacks are small' },
  ],
  everyConfiguration: ['init/main.c', 'misc.c', 'head.S'],
  noModules: [],
  shipped: [{ file: 'drivers/char/defkeymap.c', madeFrom: 'drivers/char/defkeymap.map' }],
  compatRules: COMPAT_RULES_2_2,
};

const VARIABLES_KBUILD: readonly Reasoned[] = [
  { value: 'ARCH=i386', reason: 'the Makefile asks uname, which may say x86_64' },
  {
    value: 'DEPMOD=/bin/true',
    reason: 'Kiln calls depmod itself, and reads what it complains of',
  },
  { value: 'LOCALVERSION=', reason: 'unset, it lets setlocalversion put a + after the release' },
];

const LINUX_KBUILD: KernelFamily = {
  name: 'linux-kbuild-i386',
  covers: '2.6.24 and later on i386',
  // With 2.6.24 i386 became a name for the 32 bits of arch/x86, where the image is.
  versions: /^(?:2\.6\.(?:2[4-9]|3\d)|(?:[3-9]|[1-9]\d)\.\d+\.\d+)(?!\d)/,
  arch: 'i386',
  language: 'kconfig',
  options: [
    {
      symbol: 'CONFIG_LOCALVERSION_AUTO',
      value: 'n',
      reason: "a commit's name in the release would make it another than the bundle's",
    },
  ],
  // flex and bison make Kconfig's own interpreter, bc the constants of the timers; depmod indexes the modules.
  tools: ['flex', 'bison', 'bc', 'depmod'],
  buildFacts: { kind: 'variables' },
  // These trees know today's compilers, and say themselves what they need of them.
  compilerFlags: [],
  assemblerFlags: [],
  variables: VARIABLES_KBUILD,
  poolVariables: [],
  targets: {
    // Asks nothing once olddefconfig has been over the file, and has this name in every version.
    config: 'oldconfig',
    depend: 'prepare',
    image: 'bzImage',
    modules: 'modules',
    install: 'modules_install',
  },
  everyConfiguration: [],
  paths: {
    config: '.config',
    image: 'arch/x86/boot/bzImage',
    systemMap: 'System.map',
    release: 'include/config/kernel.release',
  },
  shipped: [],
  compatRules: [
    {
      id: 'one-kind-of-target',
      reason:
        "today's make refuses rules that have plain and pattern targets: each kind gets a rule of its own",
      files: ['Makefile'],
      guard: (peek) => peek('scripts/kconfig/Makefile') !== undefined,
      rewrite: separateTargets,
    },
  ],
  reproducibleRules: [],
};

/** Every family that Kiln can build. */
export const FAMILIES: readonly KernelFamily[] = [LINUX_2_2, LINUX_2_4, LINUX_KBUILD];

/** Flags of all families that a compiler of another age may not know, those for the assembler as `-Wa,`. */
export function optionalFlags(): string[] {
  const flags = FAMILIES.flatMap(({ compilerFlags, assemblerFlags }) => [
    ...compilerFlags.map(({ value }) => value).filter((value) => /^-[fmsW]/.test(value)),
    ...assemblerFlags.map(({ value }) => `-Wa,${value}`),
  ]);
  return [...new Set([...flags, `${FILE_PREFIX_MAP}/a=/b`])];
}

/**
 * The family of a kernel version such as `2.4.22`.
 * @throws KilnError `invalid` naming those that there are, for a version or an architecture that none covers.
 */
export function familyFor(version: string, arch = 'i386'): KernelFamily {
  const family = FAMILIES.find((candidate) => candidate.arch === arch && candidate.versions.test(version));
  if (family !== undefined) return family;
  if (/^2\.6\.(?:1?\d|2[0-3])(?!\d)/.test(version) && arch === 'i386') {
    throw new KilnError('invalid', `Linux ${version} can be configured here and not built`, {
      hint: 'kiln kconfig merge, audit and explain work on its tree; recipes are for 2.6.24 and later, where i386 is a part of arch/x86',
    });
  }
  throw new KilnError('invalid', `no family of kernels covers ${version} on ${arch}`, {
    hint: `Kiln builds ${FAMILIES.map(({ covers }) => covers).join(', ')}`,
  });
}
