/**
 * A line that the console must show: a string that some line contains, a pattern that some line matches,
 * or either with the lines that would stand in its place: one that matches `instead` and not `line` fails
 * the boot at once (the init's report of another release, say), where it would else wait for the time-out.
 */
export type ExpectedLine = LinePattern | DistinctLine;

export interface DistinctLine {
  readonly line: LinePattern;
  readonly instead: RegExp;
  /** What to call the line in a message; the pattern itself by default. */
  readonly words?: string;
}

export type LinePattern = string | RegExp;

/** Why a boot failed, as the console or QEMU told it. */
export type FailureReason = 'panic' | 'unbootable' | 'mismatch' | 'forbidden' | 'exited' | 'timeout';

export interface ConsoleFailure {
  readonly reason: FailureReason;
  readonly sentence: string;
}

/** What a line on the console decided; undefined while nothing is decided. */
export type ConsoleOutcome =
  | { readonly status: 'complete' }
  | ({ readonly status: 'failed' } & ConsoleFailure);

/** Words after which nothing good can come. */
const HOPELESS: readonly {
  readonly pattern: RegExp;
  readonly reason: FailureReason;
  readonly what: string;
}[] = [
  { pattern: /Kernel panic/, reason: 'panic', what: 'the kernel panicked' },
  {
    pattern: /Unable to handle kernel|^Oops:|\bOops: [0-9a-f]{4}/,
    reason: 'panic',
    what: 'the kernel oopsed',
  },
  { pattern: /kernel BUG at/, reason: 'panic', what: 'the kernel hit a BUG' },
  // Kiln's own iPXE script; iPXE; PXELINUX; SeaBIOS.
  { pattern: /^Kiln: could not boot /, reason: 'unbootable', what: 'the bundle did not load' },
  { pattern: /^No more network devices/, reason: 'unbootable', what: 'the boot ROM found nothing to boot' },
  {
    pattern: /^Loading \S+\.\.\. ?failed|^Could not find kernel image/,
    reason: 'unbootable',
    what: 'PXELINUX could not load the bundle',
  },
  { pattern: /^No bootable device/, reason: 'unbootable', what: 'the BIOS found nothing to boot' },
];

/** CSI sequences, character sets, and single-letter escapes (ECMA-48, VT100). */
const ESCAPES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78c])/g;

/**
 * What a terminal would show of one line of serial output: SeaBIOS and iPXE colour, rub out and
 * overwrite; Linux 2.4 ends its lines with LF CR.
 */
export function renderLine(raw: string): string {
  const cells: string[] = [];
  let column = 0;
  for (const character of raw.replace(ESCAPES, '')) {
    if (character === '\r') column = 0;
    else if (character === '\b') column = Math.max(0, column - 1);
    else if (character >= ' ' || character === '\t') cells[column++] = character;
  }
  return cells.join('').trimEnd();
}

/** Reads the console's lines as they come and says when the boot is decided. */
export class ConsoleWatch {
  readonly #missing: Set<ExpectedLine>;
  readonly #forbid: readonly LinePattern[];
  readonly #matched: string[] = [];

  /**
   * @param expect all must be seen; in any order, since what the kernel and a program say at the same time has none
   * @param forbid a line that any of them fits fails the boot; kernel panics and the like always do
   */
  constructor(expect: readonly ExpectedLine[], forbid: readonly LinePattern[] = []) {
    this.#missing = new Set(expect);
    this.#forbid = forbid;
  }

  /** The lines that fitted what was expected, in the order seen. */
  get matched(): readonly string[] {
    return this.#matched;
  }

  /** What is still expected, in words. */
  get missing(): readonly string[] {
    return [...this.#missing].map(describe);
  }

  /** Takes one rendered line. */
  read(line: string): ConsoleOutcome | undefined {
    const hopeless = HOPELESS.find(({ pattern }) => pattern.test(line));
    if (hopeless !== undefined)
      return { status: 'failed', reason: hopeless.reason, sentence: `${hopeless.what}: ${line}` };
    const forbidden = this.#forbid.find((pattern) => fits(line, pattern));
    if (forbidden !== undefined)
      return {
        status: 'failed',
        reason: 'forbidden',
        sentence: `the console says what it must not: ${line}`,
      };

    const met = [...this.#missing].filter((expected) => fits(line, linePattern(expected)));
    for (const expected of met) this.#missing.delete(expected);
    if (met.length > 0) {
      this.#matched.push(line);
      return this.#missing.size === 0 ? { status: 'complete' } : undefined;
    }
    const wrong = [...this.#missing].find((expected) => standsFor(line, expected));
    if (wrong === undefined) return undefined;
    return {
      status: 'failed',
      reason: 'mismatch',
      sentence: `the console says "${line}" instead of ${describe(wrong)}`,
    };
  }
}

/**
 * The line by which Kiln's init says that a node is up: this release, an interface, an IPv4 address.
 * Another release, or no address, is a mismatch at once.
 */
export function initIsUp(release: string): ExpectedLine {
  const literal = release.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return {
    line: new RegExp(`^kiln: up ${literal} \\S+ \\d+\\.\\d+\\.\\d+\\.\\d+$`),
    instead: /^kiln: (?:up|down) /,
    words: `"kiln: up ${release} INTERFACE ADDRESS"`,
  };
}

function linePattern(expected: ExpectedLine): LinePattern {
  return typeof expected === 'string' || expected instanceof RegExp ? expected : expected.line;
}

function standsFor(line: string, expected: ExpectedLine): boolean {
  return typeof expected !== 'string' && !(expected instanceof RegExp) && expected.instead.test(line);
}

function fits(line: string, pattern: LinePattern): boolean {
  return typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line);
}

function describe(expected: ExpectedLine): string {
  if (typeof expected === 'object' && 'words' in expected && expected.words !== undefined)
    return expected.words;
  const pattern = linePattern(expected);
  return typeof pattern === 'string' ? `"${pattern}"` : String(pattern);
}
