import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { applySeries, type PatchInput, parsePatch, SeriesRejected } from '../src/patches/index.ts';
import { KilnError } from '../src/platform/errors.ts';
import { run } from '../src/platform/process.ts';

const ROUNDS = Number(process.env.KILN_BENCH_ROUNDS ?? 5);
const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');

/** What one run took: seconds on the clock and of the processors, and peak memory in MB. */
interface Cost {
  readonly seconds: number;
  readonly cpu: number;
  readonly memory: number;
}

/**
 * Kiln's patches beside GNU patch on the same input, in turns: one large diff between two real kernels, and
 * a series of real patches. Both results are compared, file by file, before any time counts. Kiln's time is
 * that of `applySeries`, without Node's start: the first call of a process, and the second.
 */
export async function bench(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'kiln-bench-patch-'));
  try {
    await benchLarge(directory);
    await benchSeries(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function benchLarge(directory: string): Promise<void> {
  const [from, to] = ['linux-2.4.31', 'linux-2.4.37.11'];
  if (!(await unpack(directory, from)) || !(await unpack(directory, to))) return;
  const made = await run('diff', ['-Nur', from, to], { cwd: directory, capture: true });
  const patch = join(directory, 'large.diff');
  await writeFile(patch, made.stdout);
  await compare(directory, from, [patch], `${from} -> ${to}, ${megabytes(made.stdout.length)} MB of diff`);
}

async function benchSeries(directory: string): Promise<void> {
  const base = 'linux-2.4.22';
  const patches = join(MIRROR, 'pld-patches');
  if (!existsSync(patches)) return console.log(`series on ${base}: skipped, there is no ${patches}`);
  if (!(await unpack(directory, base))) return;
  const paths = (await readdir(patches)).filter((name) => name.endsWith('.patch')).sort();
  const series = await thatApply(
    directory,
    base,
    paths.map((name) => join(patches, name)),
  );
  await compare(directory, base, series, `${series.length} PLD patches, one after another, on ${base}`);
}

/** The patches that apply on top of those before them. */
async function thatApply(directory: string, base: string, paths: readonly string[]): Promise<string[]> {
  const tree = join(directory, 'greedy');
  await cp(join(directory, base), tree, { recursive: true });
  const kept: string[] = [];
  for (const path of paths) {
    try {
      const report = await applySeries(tree, [await input(path)]);
      if (!report.already) kept.push(path);
    } catch (error) {
      if (!(error instanceof SeriesRejected || error instanceof KilnError)) throw error;
    }
  }
  await rm(tree, { recursive: true });
  return kept;
}

async function input(path: string): Promise<PatchInput> {
  return { name: path, bytes: await readFile(path), strip: 1 };
}

async function compare(
  directory: string,
  base: string,
  paths: readonly string[],
  what: string,
): Promise<void> {
  const pristine = join(directory, 'pristine');
  await copyTouched(join(directory, base), pristine, paths);
  const rivals: Cost[] = [];
  const firsts: Cost[] = [];
  const seconds: Cost[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const trees = ['gnu', 'first', 'second'].map((name) => join(directory, name));
    for (const tree of trees) await cp(pristine, tree, { recursive: true });
    const [gnu = '', first = '', second = ''] = trees;
    rivals.push(await timeGnu(gnu, paths));
    const [one, two] = await timeKiln([first, second], paths);
    firsts.push(one);
    seconds.push(two);
    for (const tree of [first, second]) {
      const { exitCode, tail } = await run('diff', ['-r', gnu, tree]);
      if (exitCode !== 0) throw new Error(`the results differ:\n${tail.join('\n')}`);
    }
    for (const tree of trees) await rm(tree, { recursive: true });
  }
  await rm(pristine, { recursive: true });
  report(what, rivals, firsts, seconds);
}

/** Copies the files that the patches name: all that either program looks at. */
async function copyTouched(tree: string, target: string, paths: readonly string[]): Promise<void> {
  await mkdir(target);
  const names = new Set<string>();
  for (const path of paths) {
    for (const { oldName, newName } of parsePatch(await readFile(path), path).sections) {
      for (const name of [oldName, newName]) if (name !== undefined) names.add(name.replace(/^[^/]*\/+/, ''));
    }
  }
  for (const name of names) {
    if (!existsSync(join(tree, name))) continue;
    await mkdir(dirname(join(target, name)), { recursive: true });
    await cp(join(tree, name), join(target, name));
  }
}

async function timeGnu(tree: string, paths: readonly string[]): Promise<Cost> {
  const options = '-p1 --fuzz=0 --silent --force --no-backup-if-mismatch';
  const script = `for patch do patch ${options} -i "$patch" || exit; done`;
  const started = performance.now();
  const result = await run('time', ['-f', 'cost %U %S %M', 'sh', '-c', script, 'sh', ...paths], {
    cwd: tree,
  });
  const elapsed = (performance.now() - started) / 1000;
  const cost = /^cost ([\d.]+) ([\d.]+) (\d+)$/.exec(result.tail.at(-1) ?? '');
  if (result.exitCode !== 0 || cost === null) throw new Error(`GNU patch: ${result.tail.join('\n')}`);
  return { seconds: elapsed, cpu: Number(cost[1]) + Number(cost[2]), memory: Number(cost[3]) / 1024 };
}

async function timeKiln(trees: readonly string[], paths: readonly string[]): Promise<[Cost, Cost]> {
  const list = join(dirname(trees[0] ?? ''), 'list.json');
  await writeFile(list, JSON.stringify({ trees, paths }));
  const result = await run(process.execPath, [import.meta.filename, '--apply', list], { capture: true });
  if (result.exitCode !== 0) throw new Error(`kiln: ${result.tail.join('\n')}`);
  return JSON.parse(result.stdout.toString()) as [Cost, Cost];
}

/** In a process of its own: applies the same series to one tree after another. */
async function applyHere(list: string): Promise<void> {
  const { trees, paths } = JSON.parse(await readFile(list, 'utf8')) as { trees: string[]; paths: string[] };
  const costs: Cost[] = [];
  for (const tree of trees) {
    const cpu = process.cpuUsage();
    const started = performance.now();
    await applySeries(tree, await Promise.all(paths.map(input)));
    const seconds = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    costs.push({ seconds, cpu: (user + system) / 1e6, memory: process.resourceUsage().maxRSS / 1024 });
  }
  process.stdout.write(JSON.stringify(costs));
}

function report(
  what: string,
  rivals: readonly Cost[],
  firsts: readonly Cost[],
  seconds: readonly Cost[],
): void {
  const rival = medianOf(rivals);
  console.log(`${what}, median of ${rivals.length}`);
  const row = (name: string, cost: Cost) =>
    console.log(
      [
        `  ${name.padEnd(20)}`,
        `${cost.seconds.toFixed(3)} s (${(cost.seconds / rival.seconds).toFixed(2)}x)`,
        `processor ${cost.cpu.toFixed(3)} s (${(cost.cpu / rival.cpu).toFixed(2)}x)`,
        `${cost.memory.toFixed(0)} MB (${(cost.memory / rival.memory).toFixed(0)}x)`,
      ].join('  '),
    );
  row('GNU patch', rival);
  row('kiln, first call', medianOf(firsts));
  row('kiln, second call', medianOf(seconds));
}

function medianOf(costs: readonly Cost[]): Cost {
  const median = (pick: (cost: Cost) => number) =>
    costs.map(pick).sort((a, b) => a - b)[Math.floor(costs.length / 2)] ?? Number.NaN;
  return { seconds: median((c) => c.seconds), cpu: median((c) => c.cpu), memory: median((c) => c.memory) };
}

async function unpack(directory: string, name: string): Promise<boolean> {
  const tarball = join(MIRROR, `${name}.tar`);
  if (!existsSync(tarball)) {
    console.log(`${name}: skipped, there is no ${tarball}`);
    return false;
  }
  await run('tar', ['xf', tarball, '-C', directory]);
  return true;
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);

if (process.argv[2] === '--apply') await applyHere(process.argv[3] ?? '');
