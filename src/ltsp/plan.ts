import { join } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import { listPlaced } from '../publish/index.ts';
import { blockIn, putBlocks } from './blocks.ts';
import type { Entry, Journal, WrittenBlock } from './journal.ts';
import type { ServerRoot } from './root.ts';
import type { LtspSettings } from './settings.ts';
import type { Wanted } from './wanted.ts';

/** What has to be done for one thing that is wanted. */
export interface Step {
  readonly wanted: Wanted;
  readonly action: 'create' | 'edit' | 'replace' | 'none';
  /** The bytes of a file that has to be written. */
  readonly bytes?: Buffer;
  readonly mode?: number;
  /** The blocks in it, as they will be. */
  readonly blocks?: readonly { readonly name: string; readonly text: string }[];
}

/**
 * What has to be done, in order; reads, and changes nothing.
 * @throws KilnError `failed` that names everything that is in the way: files of others, and what was edited since
 */
export async function planSteps(
  root: ServerRoot,
  wanted: readonly Wanted[],
  journal: Journal,
  settings: LtspSettings,
): Promise<Step[]> {
  const steps: Step[] = [];
  const refused: string[] = [];
  for (const one of wanted) {
    const entry = journal.entries.find(({ path }) => path === one.path);
    const step = await planStep(root, one, entry, settings.replace.has(one.path));
    if (typeof step === 'string') refused.push(step);
    else steps.push(step);
  }
  if (refused.length === 0) return steps;
  throw new KilnError('failed', `${refused[0]}`, {
    lines: refused.slice(1),
    hint: 'nothing was changed; move it away, or let it be replaced with --replace PATH (undo brings it back)',
  });
}

/** @returns the step, or a sentence that says what is in the way */
async function planStep(
  root: ServerRoot,
  wanted: Wanted,
  entry: Entry | undefined,
  mayReplace: boolean,
): Promise<Step | string> {
  const { path } = wanted;
  const found = await root.look(path);
  const inTheWay = `${path} is there, and is a ${found.kind}`;
  switch (wanted.kind) {
    case 'directory':
      if (found.kind === 'nothing') return { wanted, action: 'create' };
      return found.kind === 'directory' || found.kind === 'link' ? { wanted, action: 'none' } : inTheWay;
    case 'link':
      if (found.kind === 'nothing') return { wanted, action: 'create' };
      if (found.kind !== 'link') return inTheWay;
      return { wanted, action: found.target === wanted.target ? 'none' : 'replace' };
    case 'modules':
      if (found.kind === 'nothing') return { wanted, action: 'create' };
      return (await hasModules(root, wanted)) ? { wanted, action: 'none' } : `${path} holds other modules`;
    case 'file': {
      const written = { wanted, bytes: wanted.bytes, mode: wanted.mode };
      if (found.kind === 'nothing') return { ...written, action: 'create' };
      if (found.kind !== 'file') return inTheWay;
      if (found.bytes.equals(wanted.bytes)) return { wanted, action: 'none' };
      if (entry?.kind === 'file' && !entry.wrote.includes(found.sha256) && !mayReplace) {
        return `${path} was edited since Kiln wrote it`;
      }
      if (entry === undefined && !wanted.replaces && !mayReplace) return `${path} is there, and not by Kiln`;
      return { ...written, action: 'replace' };
    }
    case 'blocks':
      if (found.kind !== 'nothing' && found.kind !== 'file') return inTheWay;
      return planBlocks(wanted, found.kind === 'file' ? found.bytes : undefined, entry, mayReplace);
  }
}

function planBlocks(
  wanted: Wanted & { kind: 'blocks' },
  bytes: Buffer | undefined,
  entry: Entry | undefined,
  mayReplace: boolean,
): Step | string {
  const { path } = wanted;
  const isNew = bytes === undefined;
  const script = /\/rc\.local$/.test(path);
  // Latin-1 gives every byte back as it was.
  const text = bytes?.toString('latin1') ?? (script ? '#!/bin/sh\n' : '');
  const result = putBlocks(text, wanted.blocks, path);
  if (result === text) return { wanted, action: 'none' };
  const known = entry?.kind === 'file' ? (entry.blocks ?? []) : [];
  for (const { name } of wanted.blocks) {
    const now = blockIn(text, name, path);
    if (now === undefined || now === blockIn(result, name, path)) continue;
    if (!isKnown(known, name, now) && !mayReplace) return `Kiln's lines ("${name}") in ${path} were edited`;
  }
  const blocks = wanted.blocks.map(({ name }) => ({ name, text: blockIn(result, name, path) ?? '' }));
  const mode = script ? 0o755 : 0o644;
  return { wanted, action: isNew ? 'create' : 'edit', bytes: Buffer.from(result, 'latin1'), mode, blocks };
}

function isKnown(known: readonly WrittenBlock[], name: string, text: string): boolean {
  return known.some((block) => block.name === name && block.texts.includes(text));
}

async function hasModules(root: ServerRoot, wanted: Wanted & { kind: 'modules' }): Promise<boolean> {
  const { release, files } = wanted.bundle.manifest;
  const placed = await listPlaced(join(root.directory, wanted.below));
  return placed.some((one) => one.release === release && one.sha256 === files['modules.tar.gz']?.sha256);
}
