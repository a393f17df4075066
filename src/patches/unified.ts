import { asBuffer, BACKSLASH, fromLatin1, lineEnd, MINUS, NEWLINE, PLUS, RETURN, SPACE } from './bytes.ts';
import type { PatchReader } from './reader.ts';
import type { Hunk } from './types.ts';

const HEADER = /^@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@ ?(.*)$/;
const TAB = 9;

/** Whether the line at `at` is a unified hunk's header. */
export function atUnifiedHunk(reader: PatchReader, at = reader.at): boolean {
  return reader.startsWith('@@ -', at) && HEADER.test(reader.text(at));
}

/**
 * Reads one unified hunk (POSIX.1-2008, `diff -u`; and what mailers make of it: context lines that lost
 * their leading space, blank lines chopped off the end). The reader stands behind it afterwards.
 * @throws KilnError `invalid` when the body does not hold what the header announces
 */
export function readUnifiedHunk(reader: PatchReader): Hunk {
  const line = reader.line;
  const header = HEADER.exec(reader.text());
  if (header === null) reader.fail('expected a hunk header such as @@ -1,7 +1,8 @@', 'the header is garbled');
  const count = (text: string | undefined) => (text === undefined ? 1 : Number(text));
  const [oldCount, newCount] = [count(header[2]), count(header[4])];
  reader.next();
  const body = readBody(reader, oldCount, newCount);
  refuseMore(reader, line);
  return makeHunk(line, body, {
    oldStart: Number(header[1]),
    oldCount,
    newStart: Number(header[3]),
    newCount,
    heading: (header[5] ?? '').trim(),
  });
}

function readBody(reader: PatchReader, oldCount: number, newCount: number): Uint8Array {
  const { bytes } = reader;
  const start = reader.at;
  let [oldLeft, newLeft] = [oldCount, newCount];
  let mended = false;
  let chopped = 0;
  while (oldLeft > 0 || newLeft > 0) {
    const first = bytes[reader.at];
    if (first === undefined) {
      // A mailer may have dropped blank lines at the end; GNU patch allows three.
      if (oldLeft !== newLeft || oldLeft > 3) {
        reader.fail(`the patch ends inside a hunk: ${oldLeft} old and ${newLeft} new lines are missing`);
      }
      chopped = oldLeft;
      break;
    }
    if (first === SPACE || isMangled(bytes, reader.at)) {
      mended ||= first !== SPACE;
      oldLeft--;
      newLeft--;
    } else if (first === MINUS) oldLeft--;
    else if (first === PLUS) newLeft--;
    else if (first !== BACKSLASH) {
      reader.fail(
        `expected a line of the hunk (it starts with a space, + or -), found ${JSON.stringify(reader.text().slice(0, 60))}`,
        `the header announces ${oldLeft} more old and ${newLeft} more new lines`,
      );
    }
    if (oldLeft < 0 || newLeft < 0) {
      reader.fail('the hunk has more lines than its header announces', 'the line counts were edited by hand');
    }
    reader.next();
  }
  if (reader.first === BACKSLASH) reader.next();
  const body = bytes.subarray(start, reader.at);
  const whole = body.length > 0 && body[body.length - 1] !== NEWLINE;
  return mended || chopped > 0 || whole ? mend(body, chopped) : body;
}

/** A context line whose leading space was eaten on the way. */
function isMangled(bytes: Uint8Array, at: number): boolean {
  const first = bytes[at];
  return first === NEWLINE || first === TAB || (first === RETURN && bytes[at + 1] === NEWLINE);
}

function mend(body: Buffer, chopped: number): Uint8Array {
  const lines = body.toString('latin1', 0, body.length).split(/(?<=\n)/);
  const mended = lines.map((line) => (/^[ +\-\\]/.test(line) || line === '' ? line : ` ${line}`)).join('');
  return fromLatin1(
    (mended === '' || mended.endsWith('\n') ? mended : `${mended}\n`) + ' \n'.repeat(chopped),
  );
}

/** Changes behind the announced end would be dropped in silence by other tools. */
function refuseMore(reader: PatchReader, hunkLine: number): void {
  let at = reader.at;
  for (;;) {
    const first = reader.bytes[at];
    if (first !== SPACE && first !== PLUS && first !== MINUS) return;
    if (first !== SPACE) {
      const text = reader.text(at);
      if (/^(--- |\+\+\+ |-{1,3}\s*$|-- )/.test(text)) return;
      if (at !== reader.at) return;
      reader.fail(
        `the hunk at line ${hunkLine} goes on behind the lines its header announces`,
        'the line counts are wrong; make the patch anew, or mend its header',
      );
    }
    at = reader.endOf(at);
  }
}

/** Builds a hunk from its unified body: counts the context at both ends and notes missing newlines. */
export function makeHunk(
  line: number,
  body: Uint8Array,
  range: Pick<Hunk, 'oldStart' | 'oldCount' | 'newStart' | 'newCount' | 'heading'>,
): Hunk {
  const bytes = asBuffer(body);
  let prefix = 0;
  let suffix = 0;
  let changed = false;
  let previous: number | undefined;
  let oldNoNewline = false;
  let newNoNewline = false;
  for (let at = 0; at < body.length; ) {
    const op = body[at];
    if (op === BACKSLASH) {
      if (previous !== PLUS) oldNoNewline = true;
      if (previous !== MINUS) newNoNewline = true;
    } else {
      if (op === SPACE) suffix++;
      else {
        if (!changed) prefix = suffix;
        changed = true;
        suffix = 0;
      }
      previous = op;
    }
    at = lineEnd(bytes, at);
  }
  if (!changed) prefix = suffix;
  return { line, ...range, body, prefix, suffix, oldNoNewline, newNoNewline };
}
