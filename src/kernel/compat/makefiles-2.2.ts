import type { CompatRule } from './rule.ts';

export const BUILD_RULES_2_2: readonly CompatRule[] = [
  {
    id: 'compiler-options-of-its-time',
    reason: 'options for a processor have other names now (-m486), and those for alignment are gone',
    files: ['arch/i386/Makefile'],
    rewrite: (text) =>
      text.replace(/[ \t]-malign-\w+=\d+/g, '').replace(/(?<=[ \t])-m([34]86)\b/g, '-march=i$1'),
  },
  {
    id: 'assembly-with-macros',
    reason:
      'the library is assembled with -traditional, which knows no macros with a variable number of arguments',
    files: ['arch/i386/lib/Makefile'],
    rewrite: (text) => text.replace(/[ \t]-traditional(?=[ \t])/g, ''),
  },
  {
    id: 'host-tools-of-32-bits',
    reason:
      "the tool that joins the image's parts has a 32-bit number in a long, which has 64 bits on today's hosts",
    files: ['arch/i386/boot/tools/build.c'],
    rewrite: (text) => text.replace(/^typedef unsigned long u32;/m, 'typedef unsigned int u32;'),
  },
  {
    id: 'dependencies-on-64-bits',
    reason: 'the program that finds dependencies does not know a 64-bit host, and finds none: one is named',
    files: ['scripts/mkdep.c'],
    rewrite: (text) =>
      text.includes('__x86_64__')
        ? text
        : text.replace(
            /^(#if defined\(__alpha__\) \|\| )(?=defined\(__i386__\))/m,
            '$1defined(__x86_64__) || ',
          ),
  },
  {
    id: 'versions-while-dependencies-are-made',
    reason:
      'make of many jobs looks for the header of symbol versions (MODVERSIONS) before the dependencies, which make it, are made',
    files: ['Makefile'],
    rewrite: (text) => text.replace(/^(depend dep: dep-files) \$\(MODVERFILE\)$/m, '$1'),
  },
  {
    id: 'room-behind-setup-header',
    reason:
      "QEMU's -kernel fills in fields of a later setup header, which are code here and hang the boot: room is left for them",
    files: ['arch/i386/boot/setup.S'],
    rewrite: (text) =>
      text.includes('room for fields')
        ? text
        : text.replace(
            /^(! -+ end of header -+\n)\s*(?=start_of_setup:)/m,
            '\t\t.long\t0,0,0,0\t! room for fields of later headers\n$1\n',
          ),
  },
];
