import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { sha256 } from '../platform/digest.ts';
import { syncDirectory } from '../platform/files.ts';
import { disk, pointLink } from '../platform/filesystem.ts';
import type { Home } from '../platform/home.ts';
import { placeModules } from '../publish/index.ts';
import { type Entry, type Journal, keep, type WrittenBlock, writeJournal } from './journal.ts';
import { bundleModulesDigest } from './modules.ts';
import type { Step } from './plan.ts';
import { replaceWhole, type ServerRoot } from './root.ts';

/**
 * Does what a plan says. First what was there is kept and the journal says what will be written, durably; then each
 * file is written by one rename. Stopped at any moment, the same call goes on and undo brings everything back.
 */
export async function applySteps(
  root: ServerRoot,
  home: Home,
  steps: readonly Step[],
  journal: Journal,
  above: readonly string[],
): Promise<void> {
  const todo = steps.filter(({ action }) => action !== 'none');
  if (todo.length === 0) return;
  const entries = new Map(journal.entries.map((entry) => [entry.path, entry]));
  const directories: string[] = [];
  // These come whole, with their directory.
  const trees = new Set(
    todo.filter(({ wanted }) => wanted.kind === 'modules').map(({ wanted }) => wanted.path),
  );
  for (const { wanted } of todo) {
    for (const path of await root.missingAbove(wanted.path)) {
      if (entries.has(path) || trees.has(path)) continue;
      entries.set(path, { path, kind: 'directory' });
      directories.push(path);
    }
  }
  for (const step of todo)
    entries.set(step.wanted.path, await entryOf(root, step, entries.get(step.wanted.path)));
  await writeJournal(root, { ...journal, above, entries: [...entries.values()] });
  for (const path of [...entries.values()].flatMap((one) => (one.kind === 'directory' ? [one.path] : []))) {
    await makeDirectory(await root.at(path));
  }
  for (const step of todo) await take(root, home, step);
}

async function makeDirectory(path: string): Promise<void> {
  if ((await mkdir(path, { recursive: true })) === undefined) return;
  await chmod(path, 0o755);
  await syncDirectory(join(path, '..'));
}

/** The journal's entry for a step; what was there before Kiln's first step stays what was there before. */
async function entryOf(root: ServerRoot, step: Step, known: Entry | undefined): Promise<Entry> {
  const { wanted, bytes, blocks } = step;
  const { path } = wanted;
  if (wanted.kind === 'directory') return { path, kind: 'directory' };
  if (wanted.kind === 'modules') {
    return { path, kind: 'modules', sha256: await bundleModulesDigest(wanted.bundle) };
  }
  const earlier = known?.kind === 'file' || known?.kind === 'link' ? known : undefined;
  const before = earlier?.before ?? (await keep(root, path));
  if (wanted.kind === 'link') {
    return { path, kind: 'link', before, wrote: added(earlier?.wrote, wanted.target) };
  }
  const wrote = added(earlier?.wrote, sha256(bytes ?? Buffer.alloc(0)));
  if (blocks === undefined) return { path, kind: 'file', before, wrote };
  const old = known?.kind === 'file' ? (known.blocks ?? []) : [];
  return { path, kind: 'file', before, wrote, blocks: mergeBlocks(old, blocks) };
}

function mergeBlocks(
  old: readonly WrittenBlock[],
  written: readonly { readonly name: string; readonly text: string }[],
): WrittenBlock[] {
  const names = [...new Set([...old, ...written].map(({ name }) => name))];
  return names.map((name) => {
    const texts = old.find((block) => block.name === name)?.texts ?? [];
    const now = written.find((block) => block.name === name)?.text;
    return { name, texts: now === undefined ? texts : added(texts, now) };
  });
}

function added(list: readonly string[] | undefined, latest: string): string[] {
  return [...(list ?? []).filter((one) => one !== latest), latest];
}

async function take(root: ServerRoot, home: Home, { wanted, bytes, mode }: Step): Promise<void> {
  const path = await root.at(wanted.path);
  switch (wanted.kind) {
    case 'directory':
      return makeDirectory(path);
    case 'link':
      return pointLink(disk, wanted.target, path);
    case 'modules':
      return placeModules(disk, home, join(root.directory, wanted.below), wanted.bundle);
    case 'file':
    case 'blocks': {
      const found = await root.look(wanted.path);
      const before = found.kind === 'file' ? found.stats : undefined;
      return replaceWhole(path, bytes ?? Buffer.alloc(0), mode ?? 0o644, before);
    }
  }
}
