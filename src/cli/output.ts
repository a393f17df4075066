import { styleText } from 'node:util';
import { formatPlace, hasErrno, KilnError } from '../platform/errors.ts';

type Style = Parameters<typeof styleText>[0];

/** Text in a style, where the stream shows it: a terminal, and NO_COLOR not set. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return styleText(style, text, { stream });
}

/** A result: to stdout. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** What `--json` prints: one document. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Progress and notes: to stderr. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Rows as columns; the widest cell decides. Styles are applied by the caller's `paint`, after the widths. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  paint: (cell: string, column: number, row: number) => string = (cell) => cell,
): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[], row: number) =>
    cells
      .map((cell, column) => {
        const padding = column === cells.length - 1 ? '' : ' '.repeat((widths[column] ?? 0) - cell.length);
        return paint(cell, column, row) + padding;
      })
      .join('  ')
      .trimEnd();
  return [line(head, -1), ...rows.map(line)].join('\n');
}

/** 1234567 as `1.2 MiB`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  const units = ['KiB', 'MiB', 'GiB'];
  let value = bytes / 1024;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** The one wording of errors: place, sentence, lines that explain, log, what to do. */
export function formatError(error: KilnError): string {
  const place = error.place === undefined ? '' : `${formatPlace(error.place)}: `;
  const lines = [`${styled(['bold', 'red'], 'error:')} ${place}${error.message}`];
  for (const line of error.lines) lines.push(`  ${line}`);
  if (error.log !== undefined) lines.push(`${styled('bold', 'log:')} ${error.log}`);
  if (error.hint !== undefined) lines.push(`${styled('bold', 'hint:')} ${error.hint}`);
  return lines.join('\n');
}

/** The error as `--json` prints it. */
export function errorDocument(error: KilnError): unknown {
  return {
    error: {
      kind: error.kind,
      exit: error.exitCode,
      message: error.message,
      ...(error.place === undefined ? {} : { place: formatPlace(error.place) }),
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.log === undefined ? {} : { log: error.log }),
      lines: error.lines,
    },
  };
}

/** What a system call says of a path that was given, or of too many open files: no bug of Kiln's. */
const NO_BUG = ['ENAMETOOLONG', 'ELOOP', 'ENOTDIR', 'EMFILE', 'ENFILE'];

/** Reports whatever was thrown, and gives the exit code. A bug shows its stack, and is a document for `--json` too. */
export function reportError(error: unknown, json: boolean): number {
  const known = hasErrno(error, ...NO_BUG)
    ? new KilnError('failed', (error as Error).message, {
        hint: 'the system refused it: look at the path',
      })
    : error;
  if (known instanceof KilnError) {
    if (json) printJson(errorDocument(known));
    note(formatError(known));
    return known.exitCode;
  }
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (json)
    printJson({ error: { kind: 'bug', exit: 1, message: words.split('\n')[0], lines: words.split('\n') } });
  note(`${styled(['bold', 'red'], 'kiln has a bug:')} ${words}`);
  return 1;
}
