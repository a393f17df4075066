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
import { join, resolve } from 'node:path';
import { parse, stringify } from 'yaml';
import { familyFor } from '../src/kernel/index.ts';

const CHECKOUT = resolve(import.meta.dirname, '..');
const RECIPE = 'linux-2.4.37.11';
const VARIANT = 'rtl8139';

/**
 * One cold build of a real kernel: `kiln build` against what a build engineer would write by hand (tar, patch,
 * oldconfig, dep, make -j, modules_install, mke2fs, gzip), with the same flags, the same tree fixes and the
 * same configuration. Both unpack the same tarball; neither boots the result.
 */
export async function bench(): Promise<void> {
  const tarball = join(process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror'), `${RECIPE}.tar`);
  if (!existsSync(tarball)) {
    process.stdout.write(`skipped: no ${RECIPE}.tar\n`);
    return;
  }
  const scratch = mkdtempSync(join(tmpdir(), 'kiln-bench-'));
  try {
    const recipe = writeRecipe(scratch);
    const home = join(scratch, 'home');
    const kiln = seconds(() => runKiln(recipe, home, tarball));
    const inputs = inputsForTheScript(scratch, home, tarball);
    const script = seconds(() => execFileSync('bash', ['-euc', BY_HAND], { env: inputs, stdio: 'ignore' }));
    const again = seconds(() => runKiln(recipe, home, tarball));
    const line = (name: string, took: number) => `${name.padEnd(34)} ${took.toFixed(1).padStart(7)} s\n`;
    process.stdout.write(line('by hand', script));
    process.stdout.write(line('kiln build, cold cache', kiln));
    process.stdout.write(line('kiln build, nothing changed', again));
    process.stdout.write(`kiln / by hand: ${(kiln / script).toFixed(2)}\n`);
    const bundle = bundleDirectory(home);
    for (const name of ['vmlinuz', 'initrd.gz', 'modules.tar.gz']) {
      process.stdout.write(`${name}: ${readFileSync(join(bundle, name)).length} bytes\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The recipe as it is, less the boot gate, which the script has no part of. */
function writeRecipe(scratch: string): string {
  const recipe = parse(readFileSync(join(CHECKOUT, `recipes/${RECIPE}.yaml`), 'utf8')) as Record<
    string,
    unknown
  >;
  const file = join(scratch, `${RECIPE}.yaml`);
  writeFileSync(file, stringify({ ...recipe, gates: ['audit', 'verify'] }));
  return file;
}

function runKiln(recipe: string, home: string, tarball: string): void {
  const args = [
    'build',
    `${recipe}:${VARIANT}`,
    '--home',
    home,
    '--source',
    `kernel=${tarball}`,
    '--no-publish',
  ];
  execFileSync(join(CHECKOUT, 'kiln'), [...args, '--progress', 'none'], { stdio: 'ignore' });
}

/** Wall time of some work. */
function seconds(work: () => void): number {
  const started = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - started) / 1e9;
}

function bundleDirectory(home: string): string {
  const parent = join(home, 'bundles', RECIPE, VARIANT);
  const [id = ''] = readdirSync(parent).filter((name) => !name.endsWith('.json'));
  return join(parent, id);
}

/** What the script starts from: the tree fixes as a patch, the final configuration, the compiler's flags. */
function inputsForTheScript(scratch: string, home: string, tarball: string): NodeJS.ProcessEnv {
  const fixes = join(scratch, 'fixes.patch');
  const pristine = join(scratch, 'a');
  mkdirSync(pristine);
  execFileSync('tar', ['-xf', tarball, '-C', pristine, '--strip-components=1']);
  const trees = join(home, 'cache/steps/tree');
  const fitted = join(trees, readdirSync(trees)[0] ?? '', 'tree');
  symlinkSync(fitted, join(scratch, 'b'));
  // diff exits with 1 where it finds differences, as it should here.
  execFileSync('sh', ['-c', 'diff -Nur a b > fixes.patch || [ $? -eq 1 ]'], { cwd: scratch });
  rmSync(pristine, { recursive: true });
  const family = familyFor('2.4.37.11');
  return {
    PATH: process.env.PATH,
    TARBALL: tarball,
    FIXES: fixes,
    CONFIG: join(bundleDirectory(home), 'config'),
    WORK: join(scratch, 'by-hand'),
    JOBS: String(availableParallelism()),
    CC_FLAGS: family.compilerFlags.map(({ value }) => value).join(' '),
    AS_FLAGS: family.assemblerFlags.map(({ value }) => value).join(' '),
    VARIABLES: family.variables.map(({ value }) => value).join('\n'),
  };
}

/** What the how-tos do, in the order in which they do it. */
const BY_HAND = `
mkdir "$WORK"; cd "$WORK"
tar -xf "$TARBALL" --strip-components=1
patch -s -p1 < "$FIXES"
chmod +x scripts/* || true
cp "$CONFIG" .config
mapfile -t variables <<< "$VARIABLES"
run() { make "CC=gcc $CC_FLAGS" "AS=as $AS_FLAGS" HOSTCC=gcc "\${variables[@]}" "$@"; }
yes '' | run oldconfig || [ "\${PIPESTATUS[1]}" -eq 0 ]
run dep
run -j"$JOBS" bzImage
run -j"$JOBS" modules
run INSTALL_MOD_PATH="$WORK/root" modules_install
mkdir -p root/dev root/proc
mke2fs -q -O none -r 1 -I 128 -b 1024 -N 200 -d root initrd 2000
gzip -9n initrd
`;
