import { BACKSLASH, fromLatin1, latin1, MINUS, NEWLINE, PLUS, RETURN, SPACE } from './bytes.ts';
import type { FileSection, Hunk } from './types.ts';

/** 0-based line where the hunk's old side is stated to start. An empty range names the line before it. */
export function statedLine(hunk: Hunk): number {
  return hunk.oldCount === 0 ? hunk.oldStart : Math.max(0, hunk.oldStart - 1);
}

/** 0-based line where the hunk's new side is stated to start. */
export function statedNewLine(hunk: Hunk): number {
  return hunk.newCount === 0 ? hunk.newStart : Math.max(0, hunk.newStart - 1);
}

/** One side of a hunk as a file would hold it: `drop` is the op of the lines that are not on that side. */
export function sideBytes(hunk: Hunk, side: 'old' | 'new'): Buffer {
  const { body } = hunk;
  const drop = side === 'old' ? PLUS : MINUS;
  const bytes = Buffer.allocUnsafe(body.length);
  let filled = 0;
  for (let at = 0; at < body.length; ) {
    const op = body[at++];
    const kept = op !== drop && op !== BACKSLASH;
    for (;;) {
      const byte = body[at++];
      if (byte === undefined) break;
      if (kept) bytes[filled++] = byte;
      if (byte === NEWLINE) break;
    }
  }
  const noNewline = side === 'old' ? hunk.oldNoNewline : hunk.newNoNewline;
  return bytes.subarray(0, noNewline ? filled - 1 : filled);
}

/** The same hunk with `front` and `back` context lines fewer. */
export function trimContext(hunk: Hunk, front: number, back: number): Hunk {
  if (front === 0 && back === 0) return hunk;
  const starts: number[] = [];
  const { body } = hunk;
  for (let at = 0; at < body.length; ) {
    if (body[at] !== BACKSLASH) starts.push(at);
    while (at < body.length && body[at++] !== NEWLINE);
  }
  const lines = starts.length;
  const from = starts[front] ?? body.length;
  const to = starts[lines - back] ?? body.length;
  return {
    ...hunk,
    body: body.subarray(from, to),
    oldStart: hunk.oldStart + front,
    newStart: hunk.newStart + front,
    oldCount: hunk.oldCount - front - back,
    newCount: hunk.newCount - front - back,
    prefix: hunk.prefix - front,
    suffix: hunk.suffix - back,
    oldNoNewline: hunk.oldNoNewline && back === 0,
    newNoNewline: hunk.newNoNewline && back === 0,
  };
}

/** The section that undoes a section. */
export function reverseSection(section: FileSection): FileSection | undefined {
  if (section.copyFrom !== undefined) return undefined;
  const { binary } = section;
  if (binary !== undefined && binary.reverse === undefined) return undefined;
  return {
    ...section,
    oldName: section.newName,
    newName: section.oldName,
    creates: section.deletes,
    deletes: section.creates,
    renameFrom: section.renameFrom === undefined ? undefined : section.newName,
    oldMode: section.newMode,
    newMode: section.oldMode,
    oldBlob: section.newBlob,
    newBlob: section.oldBlob,
    binary: binary?.reverse === undefined ? undefined : { forward: binary.reverse, reverse: binary.forward },
    hunks: section.hunks.map(reverseHunk),
  };
}

/** The hunk that undoes a hunk. */
export function reverseHunk(hunk: Hunk): Hunk {
  const body = Buffer.from(hunk.body);
  for (let at = 0; at < body.length; ) {
    if (body[at] === PLUS) body[at] = MINUS;
    else if (body[at] === MINUS) body[at] = PLUS;
    while (at < body.length && body[at++] !== NEWLINE);
  }
  return {
    ...hunk,
    body,
    oldStart: hunk.newStart,
    oldCount: hunk.newCount,
    newStart: hunk.oldStart,
    newCount: hunk.oldCount,
    oldNoNewline: hunk.newNoNewline,
    newNoNewline: hunk.oldNoNewline,
  };
}

/** The same hunk without the CRs before its newlines. */
export function stripReturns(hunk: Hunk): Hunk {
  const { body } = hunk;
  if (!body.includes(RETURN)) return hunk;
  return { ...hunk, body: fromLatin1(latin1(body).replace(/\r\n/g, '\n')) };
}

/** The lines of one side, each with its newline, one character per byte. */
export function sideLines(hunk: Hunk, side: 'old' | 'new'): string[] {
  const text = latin1(sideBytes(hunk, side));
  return text === '' ? [] : text.split(/(?<=\n)/);
}

/** True when the hunk has no context line at all. */
export function isBare(hunk: Hunk): boolean {
  return !hasOp(hunk, SPACE);
}

/** True when the hunk changes nothing that could be told from its being there already. */
function hasOp(hunk: Hunk, wanted: number): boolean {
  const { body } = hunk;
  for (let at = 0; at < body.length; ) {
    if (body[at] === wanted) return true;
    while (at < body.length && body[at++] !== NEWLINE);
  }
  return false;
}
