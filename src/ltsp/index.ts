import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { applySteps } from './apply.ts';
import { alone, readJournal } from './journal.ts';
import { planSteps, type Step } from './plan.ts';
import { ServerRoot } from './root.ts';
import type { LtspSettings } from './settings.ts';
import { planUndo, undoSteps } from './undo.ts';
import { wish } from './wanted.ts';

export type { Cluster, LtspSettings, ServerNetwork } from './settings.ts';

/** What `kiln ltsp install` does, or would do. */
export interface LtspReport {
  readonly root: string;
  readonly changes: readonly LtspChange[];
  /** What is left to a person. */
  readonly notes: readonly string[];
}

export interface LtspChange {
  /** Below the root. */
  readonly path: string;
  readonly action: 'create' | 'edit' | 'replace' | 'restore' | 'remove' | 'strip' | 'none';
  readonly what: string;
  /** Kiln's lines in a file of somebody else's. */
  readonly lines: readonly string[];
}

/**
 * Puts what the how-tos have an operator write below a server's root: the nodes' kernel and modules, DHCP, the map,
 * MFS, start-up scripts, tools, and the server's own kernel. Everything that is in the way is refused before anything
 * is written; a second call with the same settings finds nothing to do; `undo` brings the root back byte for byte.
 * @param apply false: says what it would do, and writes nothing
 * @throws KilnError `usage` for a root without the NFS root, `failed` for what is in the way, `integrity` for a path
 * that leaves the root, `locked` while another process works on it
 */
export async function install(
  directory: string,
  home: Home,
  settings: LtspSettings,
  apply: boolean,
): Promise<LtspReport> {
  const root = await ServerRoot.open(directory);
  await requireNfsRoot(root, settings.nfsRoot);
  const { wanted, notes } = await wish(root, settings);
  const plan = async () => {
    const journal = await readJournal(root);
    return { journal, steps: await planSteps(root, wanted, journal, settings) };
  };
  // What is in the way is said before anything is written, the journal's directory included.
  let { steps } = await plan();
  if (apply && steps.some(({ action }) => action !== 'none')) {
    steps = await alone(root, 'kiln ltsp install', async (above) => {
      const now = await plan();
      await applySteps(root, home, now.steps, now.journal, above);
      return now.steps;
    });
  }
  return { root: root.directory, changes: steps.map(changeOf), notes };
}

/** Undoes all that `install` has written below a root. @throws KilnError `failed` for what was edited since */
export async function undo(directory: string): Promise<LtspReport> {
  const root = await ServerRoot.open(directory);
  if ((await readJournal(root)).entries.length === 0) {
    return { root: root.directory, changes: [], notes: ['nothing was installed here'] };
  }
  await planUndo(root, await readJournal(root));
  return alone(root, 'kiln ltsp install --undo', async () => {
    const steps = await planUndo(root, await readJournal(root));
    const left = await undoSteps(root, steps);
    return {
      root: root.directory,
      changes: steps.map(({ entry, action }) => ({ path: entry.path, action, what: entry.kind, lines: [] })),
      notes: left.map((path) => `${path} is not empty: it stays`),
    };
  });
}

function changeOf({ wanted, action, blocks }: Step): LtspChange {
  const lines = (blocks ?? []).flatMap(({ text }) => text.split('\n'));
  return { path: wanted.path, action, what: wanted.what, lines };
}

async function requireNfsRoot(root: ServerRoot, nfsRoot: string): Promise<void> {
  if ((await root.look(nfsRoot)).kind === 'directory') return;
  throw new KilnError('usage', `${root.directory} has no ${nfsRoot}, which nodes mount`, {
    hint: 'install LTSP first, or say where it is with --nfs-root: tftpboot/lts/ltsroot, ltsp/i386',
  });
}
