/**
 * Where the interpreters of 2.2 and 2.4 differ. Found in the text of the tree's own scripts/Configure, not by
 * the kernel's number: patches and distributions moved these changes about.
 */
export interface Dialect {
  /** int takes two more words, a lowest and a highest value, and negative numbers (2.2). */
  readonly intRange: boolean;
  /** dep_mbool switches its option on when a dependency is m (2.2). */
  readonly mboolPresets: boolean;
  /** A hex value is written with 0x to .config (later 2.4), or without. */
  readonly hexPrefix: boolean;
  /** A choice's default may be any one of the names between slashes, not only the beginning (2.4). */
  readonly choiceAliases: boolean;
  /** A string that is "?" asks for help, for ever when nobody answers (2.4). */
  readonly stringHelp: boolean;
  /** Old values go through `echo`, which loses a leading -n. */
  readonly echoedValues: boolean;
}

/** What an interpreter not given, or one unlike the kernel's, is taken for: the last of 2.4. */
export const LAST_DIALECT: Dialect = {
  intRange: false,
  mboolPresets: false,
  hexPrefix: true,
  choiceAliases: true,
  stringHelp: true,
  echoedValues: true,
};

/** Reads the dialect off the text of scripts/Configure. */
export function detectDialect(configure: string | undefined): Dialect {
  if (configure === undefined || !configure.includes('define_tristate')) return LAST_DIALECT;
  return {
    intRange: /\\>= \$min/.test(configure),
    mboolPresets: /eval "\$var=y"/.test(configure),
    hexPrefix: /'0x\[0-9a-fA-F\]/.test(configure),
    choiceAliases: !/^\s*"\$ans"\* \)/m.test(configure),
    stringHelp: /\[ "\$ans" = "\?" \]/.test(configure),
    echoedValues: /\$\(eval echo/.test(configure),
  };
}
