import type { BootVerdict } from '../boot/index.ts';
import {
  assertBundle,
  bundleDirectory,
  type GateRecord,
  type Manifest,
  writeRecords,
} from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';

/** How a node came by its kernel, in words. */
const LOADERS = {
  pxe: 'PXE',
  ipxe: "TFTP from iPXE (no boot ROM for this card: iPXE itself by QEMU's -kernel)",
  kernel: "QEMU's -kernel (no boot ROM for this card, and iPXE is not installed)",
} as const;

/** QEMU's models of the network cards that a bundle is for; it is booted on each. */
export function cardsOf({ boot: { nic } }: Pick<Manifest, 'boot'>): readonly string[] {
  return typeof nic === 'string' ? [nic] : nic;
}

/**
 * Boots a bundle on one card after the other, and gives what the manifest keeps of it: each card by name. The gate
 * has passed when it did on every card; one that could not be shown makes it skipped.
 * @param boot throws where the boot failed, and no other card is tried
 */
export async function bootOnEach(
  cards: readonly string[],
  boot: (card: string) => Promise<GateRecord>,
): Promise<GateRecord> {
  const passed: string[] = [];
  const skipped = new Map<string, string[]>();
  for (const card of cards) {
    const record = await boot(card);
    if (record.status === 'passed') passed.push(record.detail);
    else skipped.set(record.reason, [...(skipped.get(record.reason) ?? []), card]);
  }
  if (skipped.size === 0) return { status: 'passed', detail: passed.join(', ') };
  const [[reason] = ['']] = skipped;
  // What holds for every card says nothing of one.
  if (skipped.size === 1 && passed.length === 0) return { status: 'skipped', reason };
  const words = [...skipped].map(([why, those]) => `${those.join(', ')}: ${why}`);
  return { status: 'skipped', reason: [...words, ...passed.map((each) => `passed on ${each}`)].join('; ') };
}

/**
 * The verdict on one card as the manifest keeps it.
 * @throws KilnError `failed` with the console's tail when the gate did not pass
 */
export function judge(verdict: BootVerdict, card: string, consoleLog: string): GateRecord {
  if (verdict.status === 'skipped') return { status: 'skipped', reason: verdict.reason };
  if (verdict.status === 'passed') {
    return { status: 'passed', detail: `${card} by ${LOADERS[verdict.loader]} (${verdict.accelerator})` };
  }
  throw new KilnError('failed', `boot gate on ${card}: ${verdict.sentence}`, {
    lines: verdict.tail.slice(-20),
    log: consoleLog,
    hint: `kiln boot boots a stored bundle by hand; the channel was not flipped`,
  });
}

/** Runs the gates that the recipe asks for on a staged bundle, and gives the manifest with their records. */
export async function passGates(
  staged: string,
  manifest: Manifest,
  gates: readonly string[],
  boot: () => Promise<GateRecord>,
): Promise<Manifest> {
  let gated: Manifest = manifest;
  const record = (name: string, outcome: GateRecord) => {
    gated = { ...gated, gates: { ...gated.gates, [name]: outcome } };
  };
  // A request that did not come true has stopped the build before this.
  if (gates.includes('audit')) {
    record('audit', { status: 'passed', detail: `${manifest.config.requested} options asked for` });
  }
  if (gates.includes('verify')) {
    await writeRecords(staged, manifest);
    await assertBundle(staged, manifest);
    record('verify', { status: 'passed', detail: `${Object.keys(manifest.files).length} files` });
  }
  if (gates.includes('boot')) record('boot', await boot());
  return gated;
}

/** @throws KilnError `failed` when a gate was skipped and `--require-gates` says that none may be */
export function requireGates(gates: Manifest['gates']): void {
  for (const [name, record] of Object.entries(gates)) {
    if (record.status !== 'skipped') continue;
    throw new KilnError('failed', `the ${name} gate was skipped: ${record.reason}`, {
      hint: 'add --install-tools, or leave --require-gates out',
    });
  }
}

/** A bundle's gates as they stand: those in its manifest, and those that ran later beside it. */
export async function gatesOf(home: Home, manifest: Manifest): Promise<Manifest['gates']> {
  const text = await readTextIfAny(laterGates(home, manifest));
  return text === undefined
    ? manifest.gates
    : { ...manifest.gates, ...(JSON.parse(text) as Manifest['gates']) };
}

/** Notes a gate that was skipped when the bundle was made and has passed since. */
export async function noteLaterGate(
  home: Home,
  manifest: Manifest,
  name: string,
  record: GateRecord,
): Promise<void> {
  const gates = { ...(await gatesOf(home, manifest)), [name]: record };
  await writeFileAtomic(laterGates(home, manifest), `${JSON.stringify(gates, null, 2)}\n`);
}

/** Beside the bundle: what is in it is never written to again. */
function laterGates(home: Home, { recipe, variant, id }: Manifest): string {
  return `${bundleDirectory(home, recipe, variant, id)}.gates.json`;
}
