import { fromLatin1 } from './bytes.ts';
import type { PatchReader } from './reader.ts';
import type { Hunk } from './types.ts';
import { makeHunk } from './unified.ts';

const SEPARATOR = /^\*{15}/;
const OLD_RANGE = /^\*\*\* (\d{1,9})(?:,(\d{1,9}))? \*{4}\s*$/;
const NEW_RANGE = /^--- (\d{1,9})(?:,(\d{1,9}))? -{4}\s*$/;

/** Whether the line at `at` opens a context hunk. */
export function atContextHunk(reader: PatchReader, at = reader.at): boolean {
  return reader.startsWith('***************', at);
}

interface Side {
  readonly start: number;
  readonly count: number;
  /** Lines as `op` and text with its newline; empty when the side was left out for having no changes. */
  readonly lines: readonly { readonly op: string; readonly text: string; readonly noNewline: boolean }[];
}

/**
 * Reads one context hunk (POSIX.1-2008, `diff -c`) and gives it in the unified notation.
 * @throws KilnError `invalid` when its two sides do not fit each other or their headers
 */
export function readContextHunk(reader: PatchReader): Hunk {
  const line = reader.line;
  const heading = reader.text().replace(SEPARATOR, '').trim();
  reader.next();
  const before = readSide(reader, OLD_RANGE, '*** 1,7 ****', (text) => NEW_RANGE.test(text));
  const after = readSide(reader, NEW_RANGE, '--- 1,7 ----', (text) => !/^[ +!\\]|^$/.test(text));
  const body = fromLatin1(mergeSides(reader, before, after));
  return makeHunk(line, body, {
    oldStart: before.start,
    oldCount: before.count,
    newStart: after.start,
    newCount: after.count,
    heading,
  });
}

function readSide(
  reader: PatchReader,
  range: RegExp,
  example: string,
  leftOut: (text: string) => boolean,
): Side {
  const header = range.exec(reader.text());
  if (header === null) reader.fail(`expected a range such as ${example}`);
  const start = Number(header[1]);
  const end = header[2] === undefined ? start : Number(header[2]);
  const count = start === 0 && end === 0 ? 0 : end - start + 1;
  // An empty range names the line before it, as `*** 5,4 ****` or `*** 0 ****`.
  const first = count === 0 && start > 0 ? end : start;
  reader.next();
  if (reader.done || leftOut(reader.text())) return { start: first, count: Math.max(0, count), lines: [] };
  const lines: { op: string; text: string; noNewline: boolean }[] = [];
  while (lines.length < count) {
    const text = reader.bytes.toString('latin1', reader.at, reader.endOf(reader.at));
    const blank = /^\r?\n?$/.test(text);
    if (reader.done || !(blank || /^[-+! ] /.test(text) || /^[-+! ]\r?\n?$/.test(text))) {
      reader.fail(`expected ${count - lines.length} more lines of the hunk`);
    }
    const content = blank ? text : text.slice(2);
    lines.push({ op: blank ? ' ' : text.charAt(0), text: withNewline(content), noNewline: false });
    reader.next();
    const last = lines.at(-1);
    if (last !== undefined && reader.startsWith('\\')) {
      lines[lines.length - 1] = { ...last, noNewline: true };
      reader.next();
    }
  }
  return { start: first, count, lines };
}

function withNewline(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}

function mergeSides(reader: PatchReader, before: Side, after: Side): string {
  const olds = before.lines.length === 0 ? after.lines.filter((line) => line.op === ' ') : before.lines;
  const news = after.lines.length === 0 ? before.lines.filter((line) => line.op === ' ') : after.lines;
  if (olds.length !== before.count || news.length !== after.count) {
    reader.fail(
      `the two sides of the hunk before this line do not have the ${before.count} and ${after.count} lines announced`,
    );
  }
  let body = '';
  const emit = (op: string, line: Side['lines'][number]) => {
    body += `${op}${line.text}${line.noNewline ? '\\ No newline at end of file\n' : ''}`;
  };
  let [left, right] = [0, 0];
  while (left < olds.length || right < news.length) {
    const [old, now] = [olds[left], news[right]];
    if (old !== undefined && old.op !== ' ') {
      emit('-', old);
      left++;
    } else if (now !== undefined && now.op !== ' ') {
      emit('+', now);
      right++;
    } else {
      if (old === undefined || now === undefined || old.text !== now.text) {
        reader.fail('the two sides of the hunk before this line differ in a line that neither marks');
      }
      emit(' ', old);
      left++;
      right++;
    }
  }
  return body;
}
