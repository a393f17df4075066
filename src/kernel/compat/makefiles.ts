import type { CompatRule } from './rule.ts';

/** What the build needs so that its outputs hold nothing of the moment they were made in; wanted with any compiler. */
export const REPRODUCIBLE_RULES: readonly CompatRule[] = [
  {
    id: 'gzip-without-time',
    reason: "gzip writes its input's time stamp into the image: -n leaves it out",
    files: ['arch/i386/boot/compressed/Makefile'],
    rewrite: (text) => text.replace(/\bgzip (?!-n)(?=-)/g, 'gzip -n '),
  },
  {
    id: 'versions-of-this-configuration',
    reason:
      "symbols' versions (MODVERSIONS) stay those of an earlier configuration of the tree: they are made anew when it is newer",
    files: ['Rules.make'],
    rewrite: (text) =>
      text.replace(
        /(\$\(MODINCL\)\/\$\*\.stamp -ot) \$< \]/g,
        '$1 $$< -o $1 $(TOPDIR)/include/linux/autoconf.h ]',
      ),
  },
];

export const BUILD_RULES: readonly CompatRule[] = [
  {
    id: 'compiler-check',
    reason:
      'an #error refuses every gcc from 4.2 on, for faults that the other rules and flags are there to mend',
    files: ['include/linux/compiler.h'],
    rewrite: (text) => text.replace(/(^#if\s+__GNUC__\s*>\s*4\b.*\n)(?:#error.*\n)+/m, '$1'),
  },
  {
    id: 'entry-at-final-link',
    reason:
      "the entry symbol in LDFLAGS reaches modules' links and leaves `stext` undefined in them: it belongs to the kernel's link",
    files: ['arch/i386/Makefile'],
    rewrite: (text) =>
      text
        .replace(/^(LINKFLAGS\s*=.*\$\(LDFLAGS\))[ \t]*$/m, (line) =>
          /^LDFLAGS\s*=\s*-e stext/m.test(text) ? `${line} -e stext` : line,
        )
        .replace(/^(LDFLAGS\s*=)\s*-e stext[ \t]*$/m, '$1'),
  },
];
