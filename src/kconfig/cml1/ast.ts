import type { Word } from './lexer.ts';

/** Where a statement begins. */
export interface At {
  readonly file: string;
  readonly line: number;
}

/** What stands in `[ ... ]`. */
export type Condition =
  | { readonly op: 'and' | 'or'; readonly left: Condition; readonly right: Condition }
  | { readonly op: 'not'; readonly of: Condition }
  | { readonly op: 'same' | 'differs'; readonly left: Word; readonly right: Word }
  | { readonly op: 'set' | 'empty'; readonly word: Word };

export type AskType = 'bool' | 'tristate' | 'int' | 'hex' | 'string';
export type DepType = 'dep_bool' | 'dep_mbool' | 'dep_tristate';
export type DefineType = 'define_bool' | 'define_tristate' | 'define_int' | 'define_hex' | 'define_string';

/** A question with a default of its own (int, hex, string) or none. */
export interface Ask extends At {
  readonly kind: AskType;
  readonly prompt: string;
  readonly symbol: string;
  readonly args: readonly Word[];
}

/** A question that other options limit. */
export interface Dep extends At {
  readonly kind: DepType;
  readonly prompt: string;
  readonly symbol: string;
  readonly deps: readonly Word[];
}

export interface Define extends At {
  readonly kind: DefineType;
  readonly symbol: string;
  readonly args: readonly Word[];
}

/** One of several: exactly one member is y. */
export interface Choice extends At {
  readonly kind: 'choice';
  readonly prompt: string;
  readonly members: readonly { readonly name: string; readonly symbol: string }[];
  readonly fallback: string;
}

export interface Comment extends At {
  readonly kind: 'comment';
  readonly text: string;
}

/** Begins or ends a menu; the comment that follows a beginning is the menu's title. */
export interface Menu extends At {
  readonly kind: 'menu' | 'endmenu';
}

export interface Unset extends At {
  readonly kind: 'unset';
  readonly symbols: readonly string[];
}

export interface If extends At {
  readonly kind: 'if';
  readonly condition: Condition;
  readonly then: readonly Node[];
  readonly otherwise: readonly Node[];
}

export interface Source extends At {
  readonly kind: 'source';
  readonly path: string;
}

/** A statement of the language's description that no interpreter in a tree knows: they pass over it. */
export interface Ignored extends At {
  readonly kind: 'ignored';
  readonly statement: string;
}

/**
 * Where a file has an if without a statement in it. That is a syntax error to the shell, so that the kernel's
 * own interpreter does what stands before and passes over the rest of the file.
 */
export interface Broken extends At {
  readonly kind: 'broken';
}

export type Node = Ask | Dep | Define | Choice | Comment | Menu | Unset | If | Source | Ignored | Broken;

/** The statements that give a symbol a value. */
export type Setter = Ask | Dep | Define | Choice;
