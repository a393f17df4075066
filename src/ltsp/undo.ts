import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { removeTree, syncDirectory, temporaryBeside } from '../platform/files.ts';
import { disk, pointLink } from '../platform/filesystem.ts';
import { blockIn, dropBlocks } from './blocks.ts';
import { type Before, dropJournal, type Entry, type Journal, putBack, removeEmpty } from './journal.ts';
import { placedModulesDigest } from './modules.ts';
import { replaceWhole, type ServerRoot } from './root.ts';

/** What undoing one entry takes. */
export interface UndoStep {
  readonly entry: Entry;
  /** `strip`: somebody has edited the file around Kiln's lines, so these alone go. */
  readonly action: 'restore' | 'remove' | 'strip' | 'none';
}

/**
 * What has to be undone, the latest first; changes nothing.
 * @throws KilnError `failed` that names what was edited since, so that undoing would lose somebody's work
 */
export async function planUndo(root: ServerRoot, journal: Journal): Promise<UndoStep[]> {
  const steps: UndoStep[] = [];
  const edited: string[] = [];
  for (const entry of [...journal.entries].reverse()) {
    const action = await verdict(root, entry);
    if (action === 'edited') edited.push(entry.path);
    else steps.push({ entry, action });
  }
  if (edited.length === 0) return steps;
  throw new KilnError('failed', `edited since Kiln wrote it: ${edited.join(', ')}`, {
    hint: 'nothing was undone; move your work elsewhere (a file that is gone counts as undone), then run it again',
  });
}

async function verdict(root: ServerRoot, entry: Entry): Promise<UndoStep['action'] | 'edited'> {
  const found = await root.look(entry.path);
  if (entry.kind === 'directory') return found.kind === 'directory' ? 'remove' : 'none';
  if (entry.kind === 'modules') {
    if (found.kind === 'nothing') return 'none';
    const now = await placedModulesDigest(await root.at(entry.path));
    return now === entry.sha256 ? 'remove' : 'edited';
  }
  const back = entry.before.kind === 'nothing' ? 'remove' : 'restore';
  if (found.kind === 'nothing') return back === 'remove' ? 'none' : 'restore';
  if (entry.kind === 'link') {
    if (found.kind !== 'link') return 'edited';
    if (entry.before.kind === 'link' && found.target === entry.before.target) return 'none';
    return entry.wrote.includes(found.target) ? back : 'edited';
  }
  if (found.kind !== 'file') return 'edited';
  if (entry.before.kind === 'file' && found.sha256 === entry.before.sha256) return 'none';
  if (entry.wrote.includes(found.sha256)) return back;
  const text = found.bytes.toString('latin1');
  const whole = entry.blocks?.every(({ name, texts }) => {
    const now = blockIn(text, name, entry.path);
    return now === undefined || texts.includes(now);
  });
  return whole === true ? 'strip' : 'edited';
}

/**
 * Brings everything back to what it was before Kiln's first step. Stopped at any moment, the same call goes on.
 * @returns directories that Kiln made and somebody has put something into, which stay
 */
export async function undoSteps(root: ServerRoot, steps: readonly UndoStep[]): Promise<string[]> {
  const directories: string[] = [];
  for (const { entry, action } of steps) {
    if (action === 'none') continue;
    if (entry.kind === 'directory') directories.unshift(entry.path);
    else if (entry.kind === 'modules') await removeModules(await root.at(entry.path));
    else if (action === 'strip' && entry.kind === 'file') await strip(root, entry);
    else await bring(root, entry.path, entry.before);
  }
  const left = await removeEmpty(root, directories);
  await dropJournal(root);
  return left;
}

async function bring(root: ServerRoot, path: string, before: Before): Promise<void> {
  if (before.kind === 'file') return putBack(root, path, before);
  const place = await root.at(path);
  if (before.kind === 'link') return pointLink(disk, before.target, place);
  await rm(place, { force: true });
  await syncDirectory(dirname(place));
}

async function strip(root: ServerRoot, entry: Entry & { kind: 'file' }): Promise<void> {
  const found = await root.look(entry.path);
  if (found.kind !== 'file') return;
  const names = entry.blocks?.map(({ name }) => name) ?? [];
  const text = dropBlocks(found.bytes.toString('latin1'), names, entry.path);
  await replaceWhole(await root.at(entry.path), Buffer.from(text, 'latin1'), 0o644, found.stats);
}

/** Takes the whole tree away by one rename, and then at leisure. */
async function removeModules(directory: string): Promise<void> {
  const going = temporaryBeside(directory);
  await rename(directory, going);
  await syncDirectory(dirname(directory));
  await removeTree(going);
}
