import type { CompatRule } from './compat/rule.ts';

/** A flag or a make variable, and what happens without it. */
export interface Reasoned {
  readonly value: string;
  readonly reason: string;
}

/** A make variable that takes the place of what a tree's makefile says, as long as that is what it is known to say. */
export interface PoolVariable extends Reasoned {
  /** Relative to the tree. */
  readonly file: string;
  /** A whole line of it. */
  readonly line: string;
}

/** Relative to the tree. */
export interface ShippedFile {
  readonly file: string;
  readonly madeFrom: string;
}

/** An option that a family needs at one value; it counts as a request of the lowest precedence. */
export interface FamilyOption extends Reasoned {
  readonly symbol: string;
}

/** How the date, user and host of a build get a value of Kiln's choice. */
export type BuildFacts =
  | {
      /** Make would write the header with what it finds: Kiln writes it, and make is told to look away. */
      readonly kind: 'header';
      /** Relative to the tree. */
      readonly file: string;
      /** Objects to remove when the header changes. */
      readonly users: readonly string[];
    }
  /** Make takes KBUILD_BUILD_TIMESTAMP, KBUILD_BUILD_USER and their like (Documentation/kbuild/reproducible-builds.rst). */
  | { readonly kind: 'variables' };

/** Kernels that are built in one way: what make is told, and where its results are. */
export interface KernelFamily {
  readonly name: string;
  /** The versions it covers, in words for people. */
  readonly covers: string;
  readonly versions: RegExp;
  readonly arch: 'i386';
  /** The language of its configuration: Config.in files up to 2.4, Kconfig files later. */
  readonly language: 'cml1' | 'kconfig';
  readonly options: readonly FamilyOption[];
  /** Programs that it needs besides those that every build needs. */
  readonly tools: readonly string[];
  readonly buildFacts: BuildFacts;
  /** Options of the compiler, part of CC's value. */
  readonly compilerFlags: readonly Reasoned[];
  readonly assemblerFlags: readonly Reasoned[];
  /** The shell that its makefiles were written for; undefined where any will do. */
  readonly shell?: Reasoned;
  /** Make's variables besides CC, AS and SHELL, `NAME=value`. */
  readonly variables: readonly Reasoned[];
  /** Further ones, by which every make that a build starts draws from the same pool of jobs. */
  readonly poolVariables: readonly PoolVariable[];
  readonly targets: {
    readonly config: string;
    readonly depend: string;
    readonly image: string;
    readonly modules: string;
    readonly install: string;
  };
  /**
   * Sources that are compiled for every configuration, whatever the difference; named as the compiler is given them.
   */
  readonly everyConfiguration: readonly string[];
  /**
   * The directories that the `install` target leaves below `lib/modules/<release>/` where no module was built; undefined
   * where only make knows.
   */
  readonly noModules?: readonly string[];
  /** Relative to the tree. */
  readonly paths: {
    readonly config: string;
    readonly image: string;
    readonly systemMap: string;
    /** The header that the `config` target writes of the configuration; missing where other targets do. */
    readonly autoconf?: string;
    /** The target that makes a header of each option (include/config/); where there is none make tracks options itself. */
    readonly optionHeaders?: string;
    /** Where make writes the release after the `depend` target, if it composes it from more than the Makefile. */
    readonly release?: string;
  };
  /**
   * Files that a tree brings along though make could generate them, with what they are made from. Where the
   * times of a tree were lost make would run the generator, which may not be installed.
   */
  readonly shipped: readonly ShippedFile[];
  /** Rules that make old sources fit today's compilers; `toolchain.compat: off` leaves them out. */
  readonly compatRules: readonly CompatRule[];
  /** Rules that keep the moment of the build out of its results; wanted with any compiler. */
  readonly reproducibleRules: readonly CompatRule[];
}
