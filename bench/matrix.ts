import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, homedir, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { familyFor } from '../src/kernel/index.ts';
import { publishFigures } from './figures.ts';

const CHECKOUT = resolve(import.meta.dirname, '..');
const MIRROR = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');

/** What is built: a recipe of this repository, and where its kernel comes from. */
interface Subject {
  readonly recipe: string;
  readonly version: string;
  /** A tarball; one that is not compressed is compressed as its release is. */
  readonly kernel: string;
  readonly variants: readonly string[];
  /** A source that a patch of the benchmark's own appends a line to. */
  readonly patched: string;
}

const REAL: Subject = {
  recipe: 'linux-2.4.37.11',
  version: '2.4.37.11',
  kernel: join(MIRROR, 'linux-2.4.37.11.tar'),
  variants: ['rtl8139', 'ne2k', 'pcnet', 'e1000', 'eepro100', 'tulip'],
  patched: 'kernel/printk.c',
};
const SAMPLE: Subject = {
  recipe: 'sample',
  version: '2.4.99',
  kernel: join(CHECKOUT, 'recipes/sample/linux-2.4.99.tar.bz2'),
  variants: ['ne2k', 'rtl8139', 'all'],
  patched: 'kernel/printk.c',
};

/**
 * Variants of one kernel, built by Kiln and by its rivals on the same machine in the same run: a script as a build
 * engineer writes it by hand, for each variant from the tarball to the initrd; tuxmake's way, a fresh tree and one
 * make for each; and the script with ccache before the compiler. All have the same tree fixes, flags and
 * configurations; none boots what it has built.
 */
export async function bench(): Promise<void> {
  // All trees are removed at the end: ext4 is slow to make files for minutes after as many were removed (it hands out no
  // inode that was freed just now), and whoever comes next would pay for it.
  const all = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  try {
    for (const subject of [SAMPLE, REAL]) {
      if (!existsSync(subject.kernel)) {
        process.stdout.write(`skipped: no ${subject.recipe}.tar\n`);
        continue;
      }
      const scratch = join(all, subject.recipe);
      mkdirSync(scratch);
      const rows = compare({ ...subject, kernel: asReleased(subject.kernel, scratch) }, scratch);
      process.stdout.write(`${subject.recipe}\n${format(rows)}\n`);
      publishFigures(
        `matrix-${subject.recipe}`,
        `${subject.variants.length} variants of ${subject.recipe}`,
        rows,
      );
    }
  } finally {
    rmSync(all, { recursive: true, force: true });
  }
}

/** The tarball as kernel.org has it: unpacking bzip2 is a part of everybody's build. */
function asReleased(tarball: string, scratch: string): string {
  if (!tarball.endsWith('.tar')) return tarball;
  const packed = join(scratch, `${basename(tarball)}.bz2`);
  execFileSync('sh', ['-c', 'bzip2 -9 < "$1" > "$2"', 'sh', tarball, packed]);
  return packed;
}

/** How often a single cold build is measured. */
const ROUNDS = 3;

const RIVALS = ['by hand', "tuxmake's way", 'ccache alone'] as const;
type Rival = (typeof RIVALS)[number];

function compare(subject: Subject, scratch: string): string[][] {
  const { variants } = subject;
  const [first = ''] = variants;
  const home = join(scratch, 'home');
  const before = writeRecipe(subject, scratch, 'before');
  const after = writeRecipe(subject, scratch, 'after');
  const kiln = (recipe: string, names: readonly string[], where = home) =>
    seconds(() => runKiln(subject, recipe, where, names));
  const six = kiln(before, variants);
  const changed = kiln(after, variants);
  const nothing = kiln(after, variants);

  const by = (rival: Rival, names: readonly string[], tag: string, cache = 'ccache') => {
    const inputs = inputsFor(subject, scratch, home, rival, cache);
    const work = (name: string) => join(scratch, `${RIVALS.indexOf(rival)}-${tag}-${name}`);
    return names.reduce((sum, name) => sum + seconds(() => runScript(inputs, name, work(name))), 0);
  };
  // One build is compared with one build: in turn and several times, for the machine is faster at times.
  const rounds = Array.from({ length: ROUNDS }, (_, round) => [
    kiln(before, [first], join(scratch, `cold-${round}`)),
    // Each begins without a cache; the last one's is gone on with.
    ...RIVALS.map((rival) =>
      by(rival, [first], `one-${round}`, round === ROUNDS - 1 ? undefined : `cache-${round}`),
    ),
  ]);
  const cold = median(rounds.map((round) => round[0] ?? 0));
  const rivals = RIVALS.map((rival, index) => {
    const one = median(rounds.map((round) => round[index + 1] ?? 0));
    // The same cache of compiler results through all of it, as its user has it.
    const all = one + by(rival, variants.slice(1), 'all');
    // A script does everything every time; only the cache knows that it was done.
    return { rival, one, all, again: rival === 'ccache alone' ? by(rival, variants, 'again') : all };
  });
  const row = (what: string, took: number, pick: (rival: (typeof rivals)[number]) => number) => [
    what,
    took.toFixed(took < 10 ? 2 : 1),
    ...rivals.map((rival) => `${pick(rival).toFixed(1)} (${(took / pick(rival)).toFixed(took < 1 ? 3 : 2)})`),
  ];
  return [
    ['seconds (Kiln / rival)', 'Kiln', ...RIVALS],
    row(`one variant, cold, the median of ${ROUNDS}`, cold, ({ one }) => one),
    row(`${variants.length} variants, cold`, six, ({ all }) => all),
    row('one patch changed, all variants', changed, ({ again }) => again),
    row('nothing changed, all variants', nothing, ({ again }) => again),
    [
      `${variants.length} variants / one, cold`,
      (six / cold).toFixed(2),
      ...rivals.map(({ one, all }) => (all / one).toFixed(2)),
    ],
  ];
}

/** The recipe as it is, less the boot gate, with a patch of ours that says `word`. */
function writeRecipe(subject: Subject, scratch: string, word: string): string {
  const folder = join(scratch, word);
  mkdirSync(join(folder, 'a'), { recursive: true });
  execFileSync('tar', [
    '-xf',
    subject.kernel,
    '-C',
    join(folder, 'a'),
    '--strip-components=1',
    '--wildcards',
    `*/${subject.patched}`,
  ]);
  execFileSync('cp', ['-a', join(folder, 'a'), join(folder, 'b')]);
  const source = join(folder, 'b', subject.patched);
  writeFileSync(source, `${readFileSync(source, 'latin1')}\nint kiln_bench_${word};\n`, 'latin1');
  execFileSync('sh', ['-c', 'diff -Nur a b >word.patch || [ $? -eq 1 ]'], { cwd: folder });
  const original = join(CHECKOUT, 'recipes', `${subject.recipe}.yaml`);
  const recipe = parse(readFileSync(original, 'utf8')) as {
    patches?: { urls: string[] }[];
    config: { fragments: string[] };
  };
  const absolute = (path: string) => join(CHECKOUT, 'recipes', path);
  const patches = (recipe.patches ?? []).map((patch) => ({ ...patch, urls: patch.urls.map(absolute) }));
  const file = join(folder, `${subject.recipe}.yaml`);
  const text = stringify({
    ...recipe,
    patches: [...patches, { name: 'word', urls: [join(folder, 'word.patch')] }],
    gates: ['audit', 'verify'],
  });
  writeFileSync(
    file,
    text.replaceAll(/\bsample\/([a-z-]+\.config)/g, (_, name: string) => absolute(`sample/${name}`)),
  );
  return file;
}

function runKiln(subject: Subject, recipe: string, home: string, variants: readonly string[]): void {
  const names = variants.map((name) => `${recipe}:${name}`);
  const args = [
    'build',
    ...names,
    '--home',
    home,
    '--source',
    `kernel=${subject.kernel}`,
    '--no-publish',
    '--progress',
    'none',
  ];
  execFileSync(join(CHECKOUT, 'kiln'), args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** The one in the middle; of an even number the later of the two. */
function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Wall time of some work. */
function seconds(work: () => void): number {
  const started = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - started) / 1e9;
}

interface Inputs {
  readonly env: NodeJS.ProcessEnv;
  readonly configs: string;
}

/** What a script starts from: the tree fixes as a patch, the final configurations, the compiler's flags. */
function inputsFor(subject: Subject, scratch: string, home: string, rival: Rival, cache: string): Inputs {
  const fixes = join(scratch, 'fixes.patch');
  const configs = join(scratch, 'configs');
  if (!existsSync(fixes)) {
    const pristine = join(scratch, 'a');
    mkdirSync(pristine);
    execFileSync('tar', ['-xf', subject.kernel, '-C', pristine, '--strip-components=1']);
    const trees = join(home, 'cache/steps/tree');
    symlinkSync(join(trees, readdirSync(trees)[0] ?? '', 'tree'), join(scratch, 'b'));
    // diff exits with 1 where it finds differences, as it should here.
    execFileSync('sh', ['-c', 'diff -Nur a b > fixes.patch || [ $? -eq 1 ]'], { cwd: scratch });
    mkdirSync(configs);
    for (const name of subject.variants) {
      execFileSync('cp', [join(bundleDirectory(subject, home, name), 'config'), join(configs, name)]);
    }
  }
  const family = familyFor(subject.version);
  const flags = family.compilerFlags.map(({ value }) => value).join(' ');
  return {
    configs,
    env: {
      PATH: process.env.PATH,
      TARBALL: subject.kernel,
      FIXES: fixes,
      JOBS: String(availableParallelism()),
      CC: `${rival === 'ccache alone' ? 'ccache ' : ''}gcc ${flags}`,
      ...(rival === 'ccache alone'
        ? { CCACHE_DIR: join(scratch, cache), CCACHE_BASEDIR: scratch, CCACHE_NOHASHDIR: '1' }
        : {}),
      AS_FLAGS: family.assemblerFlags.map(({ value }) => value).join(' '),
      VARIABLES: [
        ...(family.shell === undefined ? [] : [`SHELL=${family.shell.value}`]),
        ...family.variables.map(({ value }) => value),
      ].join('\n'),
      HOW: rival === "tuxmake's way" ? 'one make' : 'by hand',
    },
  };
}

function bundleDirectory(subject: Subject, home: string, variant: string): string {
  const parent = join(home, 'bundles', subject.recipe, variant);
  const [id = ''] = readdirSync(parent).filter((name) => !name.endsWith('.json'));
  return join(parent, id);
}

function runScript({ env, configs }: Inputs, variant: string, work: string): void {
  const own = { ...env, CONFIG: join(configs, variant), WORK: work };
  execFileSync('bash', ['-euc', SCRIPT], { env: own, stdio: ['ignore', 'ignore', 'ignore'] });
}

/** What the how-tos do, in the order in which they do it. */
const SCRIPT = `
mkdir "$WORK"; cd "$WORK"
tar -xf "$TARBALL" --strip-components=1
patch -s -p1 < "$FIXES"
chmod +x scripts/* || true
cp "$CONFIG" .config
mapfile -t variables <<< "$VARIABLES"
run() { make "CC=$CC" "AS=as $AS_FLAGS" HOSTCC=gcc "\${variables[@]}" "$@"; }
yes '' | run oldconfig || [ "\${PIPESTATUS[1]}" -eq 0 ]
run dep
if [ "$HOW" = 'one make' ]; then
  run -j"$JOBS" bzImage modules
  run INSTALL_MOD_PATH="$WORK/root" modules_install
else
  run -j"$JOBS" bzImage
  run -j"$JOBS" modules
  run INSTALL_MOD_PATH="$WORK/root" modules_install
  mkdir -p root/dev root/proc
  mke2fs -q -O none -r 1 -I 128 -b 1024 -N 200 -d root initrd 8000
  gzip -9n initrd
fi
`;

function format(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n');
}
