import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  commitBundle,
  inspectBundle,
  listBundles,
  type Manifest,
  recordFiles,
  type StoredBundle,
  trustedKeys,
} from '../src/bundle/index.ts';
import { disk } from '../src/platform/filesystem.ts';
import { type Home, homeAt } from '../src/platform/home.ts';
import { appendEntries } from '../src/publish/channels.ts';
import {
  collectGarbage,
  inspectServing,
  listStates,
  placeBundle,
  publishBundle,
  readChannel,
  rollback,
} from '../src/publish/index.ts';
import type { Entry } from '../src/publish/journal.ts';

/**
 * Publishing beside what it replaces: `ln -sfn` and unlink + symlink by hand, and copying files over the
 * ones that are served, as `ltsp kernel`/`ltsp initrd` and `cobbler sync` do. A reader in a process of its own
 * asks for the kernel and its twin all the while; it counts what it could not open and what did not belong
 * together. Then homes of three sizes, up to 10,000 generations and 1,000 bundles.
 */
export async function bench(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  try {
    await sideBySide(root);
    await atScale(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const FLIPS = 200;
const KERNEL_BYTES = 1 << 20;

async function sideBySide(root: string): Promise<void> {
  const home = homeAt(join(root, 'home'));
  for (const id of ['one', 'two'])
    await publishBundle(home, await makeBundle(home, id, KERNEL_BYTES), 'lts/x');
  const served = join(home.tftp, 'bundles');
  const link = join(root, 'ln');
  symlinkSync('home/tftp/bundles/one', link);
  const copied = join(root, 'copied');
  mkdirSync(copied);
  const copy = (id: string) => {
    for (const name of ['vmlinuz', 'initrd.gz']) {
      rmSync(join(copied, name), { force: true });
      copyFileSync(join(served, id, name), join(copied, name));
    }
  };
  copy('one');
  const id = (flip: number) => (flip % 2 === 0 ? 'one' : 'two');
  const rows = [
    await race('kiln rollback (verified, durable)', join(home.tftp, 'lts/x'), (flip) =>
      rollback(home, 'lts/x', 1 + (flip % 2)),
    ),
    await race('ln -sfn', link, async (flip) => {
      const ln = spawn('ln', ['-sfn', `home/tftp/bundles/${id(flip)}`, link]);
      await once(ln, 'exit');
    }),
    await race('unlink + symlink', link, async (flip) => {
      unlinkSync(link);
      symlinkSync(`home/tftp/bundles/${id(flip)}`, link);
    }),
    await race('copying files (LTSP, Cobbler)', copied, async (flip) => copy(id(flip))),
  ];
  const head = ['', 'ms a flip, median', 'slowest', 'reads', 'failed', 'mixed or torn'];
  process.stdout.write(`${FLIPS} flips, a kernel of ${KERNEL_BYTES >> 20} MiB\n`);
  for (const row of [head, ...rows]) {
    process.stdout.write(
      `${row.map((cell, index) => (index === 0 ? cell.padEnd(36) : cell.padStart(18))).join('')}\n`,
    );
  }
}

/** Reads the kernel by the link and, by the directory that it resolved to, its twin; as a node's two requests do. */
const READER = `
const { readFileSync, existsSync } = require('node:fs');
let reads = 0, failed = 0, mixed = 0, stop = false;
process.stdin.once('data', () => { stop = true; });
function once() {
  for (let i = 0; i < 20; i += 1) {
    reads += 1;
    try {
      const config = existsSync(process.argv[1] + '/pxelinux.cfg')
        ? readFileSync(process.argv[1] + '/pxelinux.cfg', 'latin1').trim() : undefined;
      const from = process.argv[2] && config ? process.argv[2] + '/' + config : process.argv[1];
      const kernel = readFileSync(from + '/vmlinuz'), initrd = readFileSync(from + '/initrd.gz');
      if (kernel.length !== ${KERNEL_BYTES} || kernel[0] !== initrd[0] || kernel.at(-1) !== kernel[0]) mixed += 1;
    } catch { failed += 1; }
  }
  if (stop) { console.log(JSON.stringify({ reads, failed, mixed })); process.exit(); }
  setImmediate(once);
}
console.log('reading');
once();
`;

async function race(
  name: string,
  path: string,
  flip: (index: number) => Promise<unknown>,
): Promise<string[]> {
  const immutable = path.includes('/tftp/') ? join(path, '../../bundles') : '';
  const reader = spawn(process.execPath, ['-e', READER, path, immutable], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  let wake: () => void = () => undefined;
  reader.stdout.on('data', (chunk: Buffer) => {
    lines.push(...chunk.toString().trim().split('\n'));
    wake();
  });
  await new Promise<void>((ready) => {
    wake = ready;
  });
  const times: number[] = [];
  for (let index = 0; index < FLIPS; index += 1) {
    const start = performance.now();
    await flip(index);
    times.push(performance.now() - start);
  }
  reader.stdin.end('stop\n');
  await once(reader, 'close');
  const met = JSON.parse(lines.at(-1) ?? '{}') as { reads: number; failed: number; mixed: number };
  times.sort((a, b) => a - b);
  const ms = (value = 0) => value.toFixed(2);
  return [name, ms(times[FLIPS >> 1]), ms(times.at(-1)), ...[met.reads, met.failed, met.mixed].map(String)];
}

const SIZES = [
  { generations: 1000, bundles: 100 },
  { generations: 3000, bundles: 300 },
  { generations: 10_000, bundles: 1000 },
] as const;
const SCALE_KERNEL_BYTES = 256 * 1024;

/** What must not grow with a home, what may grow with its channel's history, and what may with its bundles. */
async function atScale(root: string): Promise<void> {
  const columns: (readonly [string, string])[][] = [];
  for (const { generations, bundles } of SIZES) {
    const home = homeAt(join(root, `scale-${generations}`));
    for (let index = 0; index < bundles; index += 1) await makeBundle(home, `b${index}`, SCALE_KERNEL_BYTES);
    await fillHistory(home, generations, bundles);
    columns.push([
      ['generations', String(generations)],
      ['bundles', String(bundles)],
      ...(await measure(home, generations)),
    ]);
    rmSync(home.root, { recursive: true });
  }
  for (const [row, [name]] of (columns[0] ?? []).entries()) {
    const cells = columns.map((column) => (column[row]?.[1] ?? '').padStart(12));
    process.stdout.write(`${name.padEnd(36)}${cells.join('')}\n`);
  }
}

async function measure(home: Home, generations: number): Promise<(readonly [string, string])[]> {
  const ids = await listBundles(home);
  const trusted = await trustedKeys(home);
  const served = () => ids.filter((_, index) => index % 10 === 0);
  // A tenth of the bundles is served, as if by as many channels.
  for (const bundle of served()) await placeBundle(home.tftp, bundle);
  let next = 0;
  const publish = async () => {
    next += 1;
    const { flipped } = await publishBundle(home, ids[next] as StoredBundle, 'lts/x');
    if (!flipped) throw new Error('the publish was none');
  };
  await publish();
  const gc = { keep: 5, graceMs: 0, cacheAgeMs: 1e12, cacheBytes: undefined, now: new Date() };
  return [
    await time('publish', publish),
    await time('rollback', () => rollback(home, 'lts/x', undefined)),
    await time('rollback --to, half-way back', async () => {
      await rollback(home, 'lts/x', (generations >> 1) + next++);
    }),
    await time('channels', () => listStates(home)),
    await time('history', () => readChannel(home, 'lts/x')),
    await time('bundles', () => listBundles(home)),
    await time(
      'verify',
      async () => {
        for (const bundle of ids) await inspectBundle(bundle, trusted);
        await inspectServing(home);
      },
      1,
    ),
    await time('gc --dry-run', () => collectGarbage(home, { ...gc, dryRun: true })),
    await time('gc', () => collectGarbage(home, { ...gc, dryRun: false }), 1),
  ];
}

/** The median in milliseconds. */
async function time(
  name: string,
  action: () => Promise<unknown>,
  rounds = 9,
): Promise<readonly [string, string]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await action();
    times.push(performance.now() - start);
  }
  times.sort((one, other) => one - other);
  return [name, `${times[rounds >> 1]?.toFixed(1)} ms`];
}

/** A history as so many publishes leave it. */
async function fillHistory(home: Home, generations: number, bundles: number): Promise<void> {
  const entries: Entry[] = [{ type: 'channel', format: 'kiln-journal/1', name: 'lts/x' }];
  for (let to = 1; to <= generations; to += 1) {
    const stamp = { at: '2026-01-01T00:00:00Z', by: 'bench', reason: 'built' };
    const bundle = `b${to % bundles}`;
    entries.push({
      type: 'intent',
      flip: { ...stamp, from: to === 1 ? null : to - 1, to },
      target: `../bundles/${bundle}`,
      generation: { generation: to, bundle, recipe: 'demo', variant: 'a', ...stamp },
    });
    entries.push({ type: 'done', to });
  }
  await appendEntries(disk, home, 'lts/x', entries);
}

async function makeBundle(home: Home, id: string, kernelBytes: number) {
  const staged = join(home.cache, `staged-${id}`);
  mkdirSync(staged, { recursive: true });
  const mark = id.charCodeAt(id.length - 1);
  writeFileSync(join(staged, 'vmlinuz'), Buffer.alloc(kernelBytes, mark));
  writeFileSync(join(staged, 'initrd.gz'), Buffer.alloc(1024, mark));
  writeFileSync(join(staged, 'pxelinux.cfg'), `${id}\n`);
  const manifest = { format: 'kiln-bundle/1', id, recipe: 'demo', variant: 'a', release: id, gates: {} };
  return commitBundle(home, staged, {
    ...manifest,
    files: await recordFiles(staged),
  } as unknown as Manifest);
}
