/**
 * What a user can cause and can mend. `kind` decides the exit code; the words are for people.
 *
 * | kind | exit | means |
 * | --- | --- | --- |
 * | failed | 1 | a build, a gate or a check failed |
 * | usage, invalid | 2 | wrong arguments; a recipe, fragment or patch that is not valid |
 * | tool | 3 | a host tool is missing |
 * | integrity | 4 | digest, size, signature, or a path that leaves its tree |
 * | locked | 5 | another process holds the lock |
 * | interrupted, terminated | 130, 143 | SIGINT, SIGTERM |
 */
export type ErrorKind =
  | 'failed'
  | 'usage'
  | 'invalid'
  | 'tool'
  | 'integrity'
  | 'locked'
  | 'interrupted'
  | 'terminated';

/** The documented exit code of each kind of error. */
export const EXIT_CODES: Readonly<Record<ErrorKind, number>> = {
  failed: 1,
  usage: 2,
  invalid: 2,
  tool: 3,
  integrity: 4,
  locked: 5,
  interrupted: 130,
  terminated: 143,
};

/** A position in a file that a person wrote; lines and columns count from 1. */
export interface Place {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

export interface KilnErrorDetails {
  /** What the user can do about it: one sentence or a command. */
  readonly hint?: string;
  readonly place?: Place;
  /** Lines that explain (a log's tail, the hunks that failed), shown below the sentence. */
  readonly lines?: readonly string[];
  /** Path of the full log, when there is one. */
  readonly log?: string;
  /** True when the same thing may well work later: a server that was out of reach, a lock that was held. */
  readonly transient?: boolean;
  readonly cause?: unknown;
}

/** An error that a user can cause: a kind, a sentence, what to do and where. Anything else thrown is a bug. */
export class KilnError extends Error {
  override readonly name = 'KilnError';
  readonly kind: ErrorKind;
  readonly hint: string | undefined;
  readonly place: Place | undefined;
  readonly lines: readonly string[];
  readonly log: string | undefined;
  readonly transient: boolean;

  constructor(kind: ErrorKind, sentence: string, details: KilnErrorDetails = {}) {
    super(sentence, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    this.hint = details.hint;
    this.place = details.place;
    this.lines = details.lines ?? [];
    this.log = details.log;
    this.transient = details.transient ?? kind === 'locked';
  }

  get exitCode(): number {
    return EXIT_CODES[this.kind];
  }
}

/** `file:line:column`, as compilers and editors write it; parts that are not known are left out. */
export function formatPlace(place: Place): string {
  return [place.file, place.line, place.line === undefined ? undefined : place.column]
    .filter((part) => part !== undefined)
    .join(':');
}

/** True when `error` carries the given errno name, e.g. `ENOENT`. */
export function hasErrno(error: unknown, ...names: string[]): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' && names.includes(code);
}
