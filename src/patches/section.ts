import { createHash } from 'node:crypto';
import { applyBinary } from './binary.ts';
import { fromLatin1, LineIndex, latin1, noBytes, sameBytes } from './bytes.ts';
import { sideBytes, stripReturns } from './hunks.ts';
import { hazardOf } from './names.ts';
import type { Overlay } from './overlay.ts';
import { type Placement, placeHunks, splicePlacements } from './place.ts';
import { refused, reportOf, uniform } from './section-report.ts';
import { findTarget, type Target } from './targets.ts';
import { type Entry, leavesTree } from './tree.ts';
import type { FileReport, FileSection } from './types.ts';

const SYMLINK = 0o120000;
const TYPE = 0o170000;

/** What a section is applied with. */
export interface SectionContext {
  readonly patch: string;
  readonly strip: number;
  readonly fuzz: number;
  readonly tree: Overlay;
  /** Told of each file whose hunks were placed, for the record of lines. */
  readonly onPlaced?: (path: string, placements: readonly Placement[]) => void;
  /** Told of each changed file's content before and after. */
  readonly onChanged?: (section: FileSection, path: string, before: Uint8Array, after: Uint8Array) => void;
}

/** The outcome for one section, with the hunks that landed written to the overlay. */
export function applySection(context: SectionContext, section: FileSection): FileReport {
  const target = findTarget(context.patch, section, context.strip, context.tree);
  const name = section.newName ?? section.oldName ?? section.indexName ?? '';
  if (target === undefined) {
    const hazard = hazardOf(name);
    if (hazard !== undefined) throw leavesTree(name, hazard);
    return refused(section, name, `its name has no ${context.strip} leading components to strip`);
  }
  const links = ((section.oldMode ?? 0) & TYPE) === SYMLINK || ((section.newMode ?? 0) & TYPE) === SYMLINK;
  const source = context.tree[target.from === undefined ? 'read' : 'readBefore'](target.from ?? target.path);
  if (source.kind === 'symlink' && !links) throw leavesTree(target.path, 'is a symlink');
  if (source.kind === 'directory') return refused(section, target.path, 'it is a directory in the tree');
  if (section.creates || isNew(section, source)) return create(context, section, target, source);
  if (section.deletes) return remove(context, section, target, source);
  return modify(context, section, target, source);
}

/** A diff without usable time stamps tells a new file only by its empty old side, and by its not being there. */
function isNew(section: FileSection, entry: Entry): boolean {
  const only = section.hunks.length === 1 ? section.hunks[0] : undefined;
  return entry.kind === 'absent' && only?.oldCount === 0 && only.oldStart === 0;
}

function bytesOf(entry: Entry): Uint8Array {
  if (entry.kind === 'file') return entry.bytes;
  return entry.kind === 'symlink' ? fromLatin1(entry.target) : noBytes();
}

function create(context: SectionContext, section: FileSection, target: Target, entry: Entry): FileReport {
  const content =
    section.binary === undefined
      ? Buffer.concat(section.hunks.map((hunk) => sideBytes(hunk, 'new')))
      : applyBinary(section.binary.forward, noBytes());
  if (content === undefined)
    return refused(section, target.path, 'its binary delta was made for other bytes');
  if (entry.kind !== 'absent') {
    if (sameBytes(bytesOf(entry), content)) return uniform(section, target, 'already');
    const empty = section.notation !== 'git' && bytesOf(entry).length === 0;
    if (!empty)
      return refused(section, target.path, 'the file it makes is there already, with other content');
  }
  const made = section.crlf
    ? Buffer.concat(section.hunks.map((h) => sideBytes(stripReturns(h), 'new')))
    : content;
  put(context, target.path, [made], section, entry.kind === 'file' ? entry.mode : 0o644);
  context.onPlaced?.(
    target.path,
    section.hunks.map((hunk) => ({ status: 'applied', hunk, line: 0, offset: 0, fuzz: 0, front: 0 })),
  );
  context.onChanged?.(section, target.path, noBytes(), made);
  return uniform(section, target, 'applied', section.crlf ? { crlfStripped: true } : {});
}

function remove(context: SectionContext, section: FileSection, target: Target, entry: Entry): FileReport {
  if (entry.kind === 'absent') return uniform(section, target, 'already');
  const before = bytesOf(entry);
  if (section.hunks.length === 0) {
    const expected = section.binary?.reverse;
    const differs =
      section.binary === undefined
        ? before.length > 0
        : expected?.kind === 'literal' && !sameBytes(expected.data, before);
    if (differs) return refused(section, target.path, 'the file it removes has other content');
    context.tree.remove(target.path);
    context.onChanged?.(section, target.path, before, noBytes());
    return uniform(section, target, 'applied');
  }
  const index = new LineIndex(before);
  const { placements, crlfStripped } = place(context, section, before, index);
  const report = reportOf(section, target, before, placements, crlfStripped);
  if (placements.some((placement) => placement.status !== 'applied')) return report;
  const after = Buffer.concat(splicePlacements(before, placements, index));
  if (after.length > 0) {
    const left = latin1(after).split('\n').length - 1;
    return refused(section, target.path, `the file it removes has ${left} more lines than it knows of`);
  }
  context.tree.remove(target.path);
  context.onChanged?.(section, target.path, before, noBytes());
  return report;
}

function modify(context: SectionContext, section: FileSection, target: Target, entry: Entry): FileReport {
  const { tree } = context;
  const there = target.from === undefined ? entry : tree.read(target.path);
  if (target.from !== undefined && there.kind !== 'absent' && !tree.vacated(target.path)) {
    if (entry.kind === 'absent' || section.copyFrom !== undefined) {
      if (hasResult(context, section, entry, there)) return uniform(section, target, 'already');
    }
    return refused(section, target.path, 'the name it renames or copies to is taken');
  }
  if (entry.kind === 'absent') {
    return refused(section, target.path, `there is no file ${target.from ?? target.path} in the tree`);
  }
  const before = bytesOf(entry);
  if (section.binary !== undefined) return modifyBinary(context, section, target, entry, before);
  const index = new LineIndex(before);
  const { placements, crlfStripped } = place(context, section, before, index);
  const after = splicePlacements(before, placements, index);
  const report = reportOf(section, target, before, placements, crlfStripped);
  const moved = target.from !== undefined;
  if (!moved && report.action === 'mode' && entry.kind === 'file') {
    if (withMode(entry.mode, section.newMode) === entry.mode) return { ...report, already: true };
  }
  if (placements.every((placement) => placement.status === 'already') && placements.length > 0) return report;
  put(context, target.path, after, section, entry.kind === 'file' ? entry.mode : 0o644);
  vacate(context, section, target);
  context.onPlaced?.(target.path, placements);
  context.onChanged?.(section, target.path, before, Buffer.concat(after));
  return report;
}

/** Removes the source of a rename, unless the same patch has put another file there, as when two are swapped. */
function vacate({ tree }: SectionContext, section: FileSection, { from }: Target): void {
  if (section.renameFrom !== undefined && from !== undefined && !tree.wroteInPatch(from)) tree.remove(from);
}

/** Whether the target of a rename or copy has what the section would put there. */
function hasResult(context: SectionContext, section: FileSection, source: Entry, there: Entry): boolean {
  const now = bytesOf(there);
  if (section.hunks.length > 0) {
    return place(context, section, now, new LineIndex(now)).placements.every(
      (placement) => placement.status === 'already',
    );
  }
  if (section.newBlob !== undefined) return isBlob(now, section.newBlob);
  return source.kind === 'absent' || sameBytes(bytesOf(source), now);
}

function modifyBinary(
  context: SectionContext,
  section: FileSection,
  target: Target,
  entry: Entry,
  before: Uint8Array,
): FileReport {
  const { binary, newBlob, oldBlob } = section;
  if (binary === undefined) return refused(section, target.path, 'it has no binary data');
  if (newBlob !== undefined && isBlob(before, newBlob)) return uniform(section, target, 'already');
  if (oldBlob === undefined || !isBlob(before, oldBlob)) {
    const wanted = oldBlob === undefined ? 'and does not say which' : `git's blob ${oldBlob}`;
    return refused(section, target.path, `its binary data were made for another file, ${wanted}`);
  }
  const after = applyBinary(binary.forward, before);
  if (after === undefined || (newBlob !== undefined && !isBlob(after, newBlob))) {
    return refused(section, target.path, 'its binary data do not give the content it announces');
  }
  put(context, target.path, [after], section, entry.kind === 'file' ? entry.mode : 0o644);
  vacate(context, section, target);
  context.onChanged?.(section, target.path, before, after);
  return uniform(section, target, 'applied');
}

/** Whether content has the (abbreviated) name that git gives it: SHA-1, or SHA-256 in such repositories. */
function isBlob(bytes: Uint8Array, blob: string): boolean {
  const hash = createHash(blob.length === 64 ? 'sha256' : 'sha1');
  hash.update(`blob ${bytes.length}\0`).update(bytes);
  return !/^0+$/.test(blob) && hash.digest('hex').startsWith(blob);
}

function place(
  context: SectionContext,
  section: FileSection,
  before: Uint8Array,
  index: LineIndex,
): { readonly placements: readonly Placement[]; readonly crlfStripped: boolean } {
  const { oldBlob } = section;
  const options = {
    fuzz: context.fuzz,
    ...(oldBlob === undefined || oldBlob.length < 7 ? {} : { exactBase: () => isBlob(before, oldBlob) }),
  };
  const placements = placeHunks(before, section.hunks, options, index);
  if (!section.crlf || placements.every(({ status }) => status === 'applied')) {
    return { placements, crlfStripped: false };
  }
  const stripped = placeHunks(before, section.hunks.map(stripReturns), options, index);
  const landed = (list: readonly Placement[]) =>
    list.filter(({ status }) => status === 'applied' || status === 'already').length;
  return landed(stripped) > landed(placements)
    ? { placements: stripped, crlfStripped: true }
    : { placements, crlfStripped: false };
}

/** A file's mode after git's `new mode`: only the execute bits are git's to say. */
function withMode(mode: number, wanted: number | undefined): number {
  if (wanted === undefined || (wanted & TYPE) !== 0o100000) return mode;
  return wanted & 0o111 ? mode | ((mode & 0o444) >> 2) : mode & ~0o111;
}

function put(
  context: SectionContext,
  path: string,
  pieces: readonly Uint8Array[],
  section: FileSection,
  mode: number,
): void {
  if (((section.newMode ?? 0) & TYPE) === SYMLINK) context.tree.symlink(path, latin1(Buffer.concat(pieces)));
  else context.tree.write(path, pieces, withMode(mode, section.newMode));
}
