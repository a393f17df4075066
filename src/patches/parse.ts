import { KilnError } from '../platform/errors.ts';
import { readBinary } from './binary.ts';
import { atContextHunk, readContextHunk } from './context.ts';
import { decodeName, isEpoch, type NameAndStamp, parseGitNames, parseName, unquote } from './names.ts';
import { PatchReader } from './reader.ts';
import type { FileSection, Hunk, ParsedPatch } from './types.ts';
import { atUnifiedHunk, readUnifiedHunk } from './unified.ts';

type Draft = { -readonly [Key in keyof FileSection]: FileSection[Key] } & { hunks: Hunk[] };

/** State of the reading: the section being put together, and what is done. */
interface Parse {
  readonly reader: PatchReader;
  readonly sections: FileSection[];
  /** A git section whose hunks, if any, are still to come. */
  git: Draft | undefined;
  /** Name from an `Index:` line (CVS, SVN), for the next section. */
  indexName: string | undefined;
  /** Byte where the first section starts. */
  firstAt: number | undefined;
}

/**
 * Reads a patch: unified and context diffs as GNU diff, git, CVS, SVN and quilt write them, with any prose
 * before, between and behind. Everything that would change a file is either in the result or an error.
 * @param name what errors call the patch
 * @throws KilnError `invalid` with `name:line` for what can't be read, or holds no diff at all
 */
export function parsePatch(bytes: Uint8Array, name: string): ParsedPatch {
  const reader = new PatchReader(bytes, name);
  const parse: Parse = { reader, sections: [], git: undefined, indexName: undefined, firstAt: undefined };
  while (!reader.done) if (!readSection(parse)) readLine(parse);
  endGit(parse);
  if (parse.sections.length === 0) {
    throw new KilnError('invalid', `${name} holds no diff: nothing in it could change a file`, {
      place: { file: name },
      hint: 'a patch is expected in the unified or context notation (diff -Nur, git diff, diff -c)',
    });
  }
  return { name, sections: parse.sections, preamble: reader.bytes.subarray(0, parse.firstAt ?? 0) };
}

/** Reads a section that starts with a pair of names, if one does here. */
function readSection(parse: Parse): boolean {
  const { reader } = parse;
  const first = reader.first;
  if (first === 0x2d && reader.startsWith('--- ')) {
    const second = reader.endOf(reader.at);
    if (reader.startsWith('+++ ', second) && atUnifiedHunk(reader, reader.endOf(second))) {
      readNamed(parse, 'unified', second);
      return true;
    }
  } else if (first === 0x2a && reader.startsWith('*** ')) {
    const second = reader.endOf(reader.at);
    if (reader.startsWith('--- ', second) && atContextHunk(reader, reader.endOf(second))) {
      readNamed(parse, 'context', second);
      return true;
    }
  }
  return false;
}

function readNamed(parse: Parse, notation: 'unified' | 'context', second: number): void {
  const { reader } = parse;
  const crlf = reader.hasReturn() && reader.hasReturn(second);
  const before = parseName(reader.text().slice(4), reader.place);
  const after = parseName(reader.text(second).slice(4), reader.place);
  const draft = parse.git ?? newDraft(parse, notation);
  if (parse.git === undefined) {
    draft.oldName = before.name;
    draft.newName = after.name;
    draft.indexName = parse.indexName;
  } else {
    draft.oldName = before.name ?? draft.oldName;
    draft.newName = after.name ?? draft.newName;
  }
  draft.crlf = crlf;
  reader.next();
  reader.next();
  if (notation === 'unified') while (atUnifiedHunk(reader)) draft.hunks.push(readUnifiedHunk(reader));
  else while (atContextHunk(reader)) draft.hunks.push(readContextHunk(reader));
  noteExistence(draft, before, after);
  parse.git = undefined;
  parse.indexName = undefined;
  parse.sections.push(draft);
}

/** Whether the section makes or removes its file: by its names, its stamps and its one hunk's empty side. */
function noteExistence(draft: Draft, before: NameAndStamp, after: NameAndStamp): void {
  const only = draft.hunks.length === 1 ? draft.hunks[0] : undefined;
  if (only === undefined) return;
  if (only.oldCount === 0 && only.oldStart === 0) {
    draft.creates ||= before.name === undefined || isEpoch(before.stamp);
  }
  if (only.newCount === 0 && only.newStart === 0) {
    draft.deletes ||= after.name === undefined || isEpoch(after.stamp);
  }
}

function newDraft(parse: Parse, notation: FileSection['notation']): Draft {
  parse.firstAt ??= parse.reader.at;
  return {
    line: parse.reader.line,
    notation,
    oldName: undefined,
    newName: undefined,
    indexName: undefined,
    creates: false,
    deletes: false,
    renameFrom: undefined,
    copyFrom: undefined,
    oldMode: undefined,
    newMode: undefined,
    oldBlob: undefined,
    newBlob: undefined,
    binary: undefined,
    crlf: false,
    hunks: [],
  };
}

/** Reads a line that does not start a named section: git's headers, `Index:`, prose. */
function readLine(parse: Parse): void {
  const { reader } = parse;
  switch (reader.first) {
    case 0x64: // d
      if (reader.startsWith('diff --git ')) {
        startGit(parse);
        return;
      }
      if (reader.startsWith('diff --cc ') || reader.startsWith('diff --combined ')) {
        reader.fail('a combined diff (of a merge) can not be applied', 'make it with git diff A B');
      }
      if (reader.startsWith('diff ')) endGit(parse);
      break;
    case 0x49: // I
      if (reader.startsWith('Index: ')) {
        endGit(parse);
        parse.indexName = parseName(reader.text().slice(7), reader.place).name;
        parse.firstAt ??= reader.at;
      }
      break;
    case 0x40: // @
      if (atUnifiedHunk(reader) && /^[-+ ]/.test(reader.text(reader.endOf(reader.at)))) readOrphan(parse);
      break;
    case 0x42: // B
      if (/^Binary files .* differ$/.test(reader.text())) {
        reader.fail(
          'names a binary file that differs, without its content',
          'make the patch with git diff --binary, or take the binary file out of it',
        );
      }
      break;
    case 0x47: // G
      if (reader.startsWith('GIT binary patch') && reader.text() === 'GIT binary patch') {
        readGitBinary(parse);
        return;
      }
      break;
  }
  if (parse.git !== undefined && !readExtended(parse.git, reader)) endGit(parse);
  reader.next();
}

/** Hunks under an `Index:` line without a pair of names, as old CVS clients wrote them. */
function readOrphan(parse: Parse): void {
  const { reader } = parse;
  if (parse.indexName === undefined) {
    reader.fail('a hunk stands behind no file name', 'the lines "--- old" and "+++ new" are missing');
  }
  const draft = newDraft(parse, 'unified');
  draft.indexName = parse.indexName;
  while (atUnifiedHunk(reader)) draft.hunks.push(readUnifiedHunk(reader));
  parse.indexName = undefined;
  parse.sections.push(draft);
}

function startGit(parse: Parse): void {
  const { reader } = parse;
  endGit(parse);
  const draft = newDraft(parse, 'git');
  const names = parseGitNames(reader.text().slice('diff --git '.length), reader.place);
  draft.oldName = names?.[0];
  draft.newName = names?.[1];
  parse.git = draft;
  parse.indexName = undefined;
  reader.next();
}

/** Ends a git section that has no hunks: a rename, a mode, an empty file, a binary patch. */
function endGit(parse: Parse): void {
  const draft = parse.git;
  parse.git = undefined;
  if (draft === undefined) return;
  const says =
    draft.creates ||
    draft.deletes ||
    draft.renameFrom !== undefined ||
    draft.copyFrom !== undefined ||
    draft.binary !== undefined ||
    (draft.newMode !== undefined && draft.newMode !== draft.oldMode);
  if (!says) return;
  if (draft.oldName === undefined || draft.newName === undefined) {
    throw new KilnError('invalid', "the two names on the diff --git line can't be told apart", {
      place: { file: parse.reader.name, line: draft.line },
    });
  }
  parse.sections.push(draft);
}

function readGitBinary(parse: Parse): void {
  const draft = parse.git;
  const reader: PatchReader = parse.reader;
  if (draft === undefined) reader.fail('a binary patch stands behind no diff --git line');
  draft.binary = readBinary(reader);
  endGit(parse);
}

/** Reads one of git's extended header lines (git-diff(1)). @returns false when it is none */
function readExtended(draft: Draft, reader: PatchReader): boolean {
  const text = reader.text();
  const match =
    /^(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|rename old|rename new|similarity index|dissimilarity index|index) (.*)$/.exec(
      text,
    );
  if (match === null) return false;
  const value = match[2] ?? '';
  const nameOf = () => {
    const bytes = value.startsWith('"') ? unquote(value, reader.place).text : value;
    return decodeName(bytes, reader.place);
  };
  switch (match[1]) {
    case 'old mode':
      draft.oldMode = parseMode(value, reader);
      break;
    case 'new mode':
      draft.newMode = parseMode(value, reader);
      break;
    case 'new file mode':
      draft.creates = true;
      draft.newMode = parseMode(value, reader);
      break;
    case 'deleted file mode':
      draft.deletes = true;
      draft.oldMode = parseMode(value, reader);
      break;
    case 'copy from':
      draft.copyFrom = nameOf();
      draft.oldName = prefixed(draft.oldName, 'a/', draft.copyFrom);
      break;
    case 'rename from':
    case 'rename old':
      draft.renameFrom = nameOf();
      draft.oldName = prefixed(draft.oldName, 'a/', draft.renameFrom);
      break;
    case 'copy to':
    case 'rename to':
    case 'rename new':
      draft.newName = prefixed(draft.newName, 'b/', nameOf());
      break;
    case 'index':
      readIndex(draft, value, reader);
      break;
  }
  return true;
}

/** Renames name their files without the prefix that the other lines have; strip levels count with it. */
function prefixed(known: string | undefined, prefix: string, bare: string): string {
  if (known !== undefined && (known === bare || known.endsWith(`/${bare}`))) return known;
  return prefix + bare;
}

function readIndex(draft: Draft, value: string, reader: PatchReader): void {
  const match = /^([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: (\d+))?$/.exec(value);
  if (match === null) return;
  draft.oldBlob = match[1];
  draft.newBlob = match[2];
  if (match[3] === undefined) return;
  const mode = parseMode(match[3], reader);
  draft.oldMode ??= mode;
  draft.newMode ??= mode;
}

/** Files and symlinks are all that a tree is made of. */
function parseMode(text: string, reader: PatchReader): number {
  const mode = /^[0-7]{5,7}$/.test(text) ? Number.parseInt(text, 8) : 0;
  const type = mode & 0o170000;
  if (type === 0o100000 || type === 0o120000) return mode;
  if (type === 0o160000) {
    reader.fail('changes a submodule', 'give the submodule as a source of its own');
  }
  if (mode === 0) reader.fail(`expected a file mode such as 100644, found ${JSON.stringify(text)}`);
  throw new KilnError('integrity', `mode ${text} is no file and no symlink`, {
    place: reader.place,
    hint: 'a patch may not make devices, sockets or directories',
  });
}
