import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
  publishBundle,
  readChannel,
  rollback,
} from '../src/publish/index.ts';
import type { Entry } from '../src/publish/journal.ts';
import { publishFigures } from './figures.ts';

/**
 * Publishing beside what it replaces: `ln -sfn`, unlink and symlink, and copying files over the ones that are
 * served with install(1), as `ltsp kernel` and `cobbler sync` do. A reader in a process of its own loads kernel
 * and initrd all the while; it counts what it could not open and what did not belong together. Then homes of
 * three sizes, up to 10,000 generations and 1,000 bundles.
 */
export async function bench(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  try {
    show(
      'publish-flips',
      `Flips while nodes load a kernel of ${KERNEL_BYTES >> 20} MiB`,
      await sideBySide(root),
    );
    show('publish-scale', 'Publishing as a home grows', await atScale(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function show(name: string, title: string, rows: readonly (readonly string[])[]): void {
  process.stdout.write(`${title}\n`);
  for (const row of rows) {
    const cells = row.map((cell, index) => (index === 0 ? cell.padEnd(38) : cell.padStart(18)));
    process.stdout.write(`${cells.join('')}\n`);
  }
  publishFigures(name, title, rows);
}

const FLIPS = 200;
const KERNEL_BYTES = 1 << 20;
const LOADS_BETWEEN_FLIPS = 20;

async function sideBySide(root: string): Promise<string[][]> {
  const home = homeAt(join(root, 'home'));
  const one = await makeBundle(home, 'one', KERNEL_BYTES);
  const two = await makeBundle(home, 'two', KERNEL_BYTES);
  for (const bundle of [one, two]) await publishBundle(home, bundle, 'lts/x');
  const channel = join(home.tftp, 'lts/x');
  const served = (flip: number) => `home/tftp/bundles/${flip % 2 === 0 ? 'one' : 'two'}`;
  const link = join(root, 'ln');
  symlinkSync(served(1), link);
  const copied = join(root, 'copied');
  mkdirSync(copied);
  const install = (flip: number) => {
    const files = ['vmlinuz', 'initrd.gz'].map((name) => join(root, served(flip), name));
    return run('install', '-m', '644', ...files, copied);
  };
  await install(1);
  return [
    ['', 'ms a flip, median', 'slowest', 'loads', 'failed', 'mixed or torn'],
    await race('kiln rollback (verified, durable)', channel, (flip) =>
      rollback(home, 'lts/x', 1 + (flip % 2)),
    ),
    await race('kiln publish (verified, durable)', channel, (flip) =>
      publishBundle(home, flip % 2 === 0 ? one : two, 'lts/x'),
    ),
    await race('ln -sfn', link, (flip) => run('ln', '-sfn', served(flip), link)),
    await race('unlink and symlink', link, async (flip) => {
      unlinkSync(link);
      symlinkSync(served(flip), link);
    }),
    await race('copying files (LTSP, Cobbler)', copied, install),
  ];
}

async function run(command: string, ...args: string[]): Promise<void> {
  const [code] = await once(spawn(command, args, { stdio: 'inherit' }), 'exit');
  if (code !== 0) throw new Error(`${command}: exit ${code}`);
}

/**
 * Loads as a node does, request by request: the config where there is one, then kernel and initrd by the path that
 * it names, else both by the link. Tells of each batch; ends when a line comes.
 */
const READER = `
const { readFileSync, existsSync } = require('node:fs');
const [, path, immutable] = process.argv;
let loads = 0, failed = 0, mixed = 0, stop = false;
process.stdin.once('data', () => { stop = true; });
function batch() {
  for (let i = 0; i < ${LOADS_BETWEEN_FLIPS}; i += 1) {
    loads += 1;
    try {
      const from = immutable === '' ? path : immutable + '/' + readFileSync(path + '/pxelinux.cfg', 'latin1').trim();
      const kernel = readFileSync(from + '/vmlinuz'), initrd = readFileSync(from + '/initrd.gz');
      if (kernel.length !== ${KERNEL_BYTES} || kernel[0] !== initrd[0] || kernel.at(-1) !== kernel[0]) mixed += 1;
    } catch { failed += 1; }
  }
  console.log(JSON.stringify({ loads, failed, mixed }));
  if (stop) process.exit();
  setImmediate(batch);
}
batch();
`;

/** Flips again and again, with some loads between one flip and the next and as many as there are during each. */
async function race(
  name: string,
  path: string,
  flip: (index: number) => Promise<unknown>,
): Promise<string[]> {
  const immutable = path.includes('/tftp/') ? join(path, '../../bundles') : '';
  const reader = spawn(process.execPath, ['-e', READER, path, immutable], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: reader.stdout });
  let last = '';
  lines.on('line', (line) => {
    last = line;
  });
  const ended = once(reader, 'close');
  const times: number[] = [];
  for (let index = 0; index < FLIPS; index += 1) {
    await once(lines, 'line');
    const start = performance.now();
    await flip(index);
    times.push(performance.now() - start);
  }
  reader.stdin.end('stop\n');
  await ended;
  const met = JSON.parse(last) as { loads: number; failed: number; mixed: number };
  times.sort((a, b) => a - b);
  const ms = (value = 0) => value.toFixed(2);
  return [name, ms(times[FLIPS >> 1]), ms(times.at(-1)), ...[met.loads, met.failed, met.mixed].map(String)];
}

const SIZES = [
  { generations: 100, bundles: 10 },
  { generations: 1000, bundles: 100 },
  { generations: 10_000, bundles: 1000 },
] as const;
const SCALE_KERNEL_BYTES = 256 * 1024;

/** What must not grow with a home, what may grow with its channel's history, and what may with its bundles. */
async function atScale(root: string): Promise<string[][]> {
  const columns: (readonly [string, number])[][] = [];
  for (const { generations, bundles } of SIZES) {
    const home = homeAt(join(root, `scale-${generations}`));
    for (let index = 0; index < bundles; index += 1) await makeBundle(home, `b${index}`, SCALE_KERNEL_BYTES);
    await fillHistory(home, generations, bundles);
    columns.push(await measure(home, generations));
    rmSync(home.root, { recursive: true });
  }
  const sizes = SIZES.map(({ generations, bundles }) => `${generations} / ${bundles}`);
  const rows = (columns[0] ?? []).map(([name], row) => [
    name,
    ...columns.map((column) => (column[row]?.[1] ?? 0).toFixed(1)),
  ]);
  return [['ms; generations / bundles', ...sizes], ...rows];
}

async function measure(home: Home, generations: number): Promise<(readonly [string, number])[]> {
  const bundles = await listBundles(home);
  const trusted = await trustedKeys(home);
  // A tenth of the bundles is served, each by a channel of its own.
  for (const [index, bundle] of bundles.entries()) {
    if (index % 10 === 0) await publishBundle(home, bundle, `lab/${bundle.manifest.id}`);
  }
  let next = 0;
  const publish = async () => {
    next += 1;
    const { flipped } = await publishBundle(home, bundles[next % bundles.length] as StoredBundle, 'lts/x');
    if (!flipped) throw new Error('the publish was none');
  };
  await publish();
  const gc = { keep: 5, graceMs: 0, cacheAgeMs: 1e12, cacheBytes: undefined, now: new Date() };
  const verify = async () => {
    for (const bundle of bundles) await inspectBundle(bundle, trusted);
    await inspectServing(home);
  };
  return [
    await time('publish', publish),
    await time('rollback', () => rollback(home, 'lts/x', undefined)),
    await time('rollback --to, half-way back', async () => {
      await rollback(home, 'lts/x', (generations >> 1) + next++);
    }),
    await time('channels: a tenth as many as bundles', () => listStates(home)),
    await time('history', () => readChannel(home, 'lts/x')),
    await time('bundles', () => listBundles(home)),
    await time('verify', verify, 1),
    await time('gc --dry-run', () => collectGarbage(home, { ...gc, dryRun: true })),
    await time('gc: nine of ten bundles go', () => collectGarbage(home, { ...gc, dryRun: false }), 1),
  ];
}

/** The median in milliseconds. */
async function time(
  name: string,
  action: () => Promise<unknown>,
  rounds = 25,
): Promise<readonly [string, number]> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now();
    await action();
    times.push(performance.now() - start);
  }
  times.sort((one, other) => one - other);
  return [name, times[rounds >> 1] ?? 0];
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
