import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, it } from 'vitest';
import { bubblewrapFault } from '../../src/platform/sandbox.ts';
import {
  buildJson,
  freshDirectory,
  isRunning,
  kiln,
  processesWith,
  sampleHome,
  startKiln,
  workersOf,
} from '../support/kiln.ts';
import { SAMPLE_TARBALL, writeRecipe } from '../support/recipes.ts';

const fault = await bubblewrapFault();
const NO_GATE = 'gates: [audit, verify]\n';

/** Variants whose options, modules and flags differ, in an order in which each finds another's leftovers. */
const RECIPE = `name: shared
kernel: { version: 2.4.99, source: { urls: [${SAMPLE_TARBALL}] } }
patches: [{ name: 8139too, urls: [8139too.patch] }]
config: { fragments: [own.config] }
variants:
  one: { options: { CONFIG_NE2K_PCI: y, CONFIG_8139TOO: n } }
  modules: { options: { CONFIG_NE2K_PCI: m, CONFIG_8139TOO: m } }
  other: { options: { CONFIG_NE2K_PCI: n, CONFIG_8139TOO: y } }
  mixed: { options: { CONFIG_NE2K_PCI: m, CONFIG_8139TOO: y } }
images: [pxe]
boot: { cmdline: console=ttyS0 }
gates: [audit, verify]
channel: shared/{variant}
`;

function sharedRecipe(): string {
  const directory = freshDirectory('shared');
  const sample = join(import.meta.dirname, '../../recipes/sample');
  cpSync(join(sample, 'patches/0001-8139too.patch'), join(directory, '8139too.patch'));
  writeFileSync(join(directory, 'own.config'), readFileSync(join(sample, 'sample.config')));
  writeFileSync(join(directory, 'shared.yaml'), RECIPE);
  return join(directory, 'shared.yaml');
}

/** The source of a recipe's sample kernel with lines added to its top Makefile. */
function treeWith(makefile: string): string {
  const directory = freshDirectory('tree');
  execFileSync('tar', ['-xjf', SAMPLE_TARBALL, '-C', directory]);
  const tree = join(directory, readdirSync(directory)[0] ?? '');
  appendFileSync(join(tree, 'Makefile'), makefile);
  return tree;
}

describe('variants that share a tree', () => {
  let file: string;
  let home: string;
  beforeAll(async () => {
    file = sharedRecipe();
    home = freshDirectory('home');
    const { ran, jobs } = await buildJson([file, '--home', home, '--jobs', '1', '--ccache=off']);
    expect(ran.stderr).not.toMatch(/warning/);
    expect(jobs.map(({ status }) => status)).toEqual(Array(4).fill('published'));
  });

  it('are the same bytes, each, as a clean build of it at another path', async () => {
    const ran = await kiln([
      'build',
      file,
      '--home',
      home,
      '--rebuild',
      '--compare',
      '--json',
      '--ccache=off',
    ]);
    const { jobs } = JSON.parse(ran.stdout) as { jobs: { status: string; channel: string | null }[] };
    expect(jobs.map(({ status, channel }) => ({ status, channel }))).toEqual(
      Array(4).fill({ status: 'built', channel: null }),
    );
    expect(ran.code).toBe(0);
  });

  it.skipIf(fault !== undefined)('compile, but for the first, only what differs', () => {
    const log = (variant: string) => {
      const directory = join(home, 'logs/shared', variant);
      const [name = ''] = readdirSync(directory).sort();
      return readFileSync(join(directory, name), 'utf8');
    };
    const counts = ['one', 'modules', 'other', 'mixed'].map((variant) =>
      Number(/# compile: .*, (\d+) files compiled/.exec(log(variant))?.[1]),
    );
    // Whoever comes first gets the fresh tree.
    const [first = 0, ...others] = counts.sort((a, b) => b - a);
    for (const count of others) expect(count).toBeLessThan(first / 2);
  });

  it('are found out when one was not built from what its key says', async () => {
    const bundles = join(home, 'bundles/shared/one');
    const [id = ''] = readdirSync(bundles).filter((name) => !name.endsWith('.json'));
    const forged = freshDirectory('forged');
    cpSync(home, forged, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    // A build that depends on something else: here on what the compiler's cache of results was told.
    const map = join(forged, 'bundles/shared/one', id, 'System.map');
    execFileSync('sh', ['-c', `chmod -R u+w "$(dirname "$0")"; sed -i '1s/^./f/' "$0"`, map]);
    const manifest = join(forged, 'bundles/shared/one', id, 'manifest.json');
    const record = JSON.parse(readFileSync(manifest, 'utf8'));
    record.files['System.map'].sha256 = execFileSync('sha256sum', [map], { encoding: 'utf8' }).slice(0, 64);
    writeFileSync(manifest, JSON.stringify(record));
    const sums = join(forged, 'bundles/shared/one', id, 'SHA256SUMS');
    execFileSync('sh', [
      '-c',
      `cd "$(dirname "$0")" && sha256sum $(cut -c67- SHA256SUMS) >sums.new; mv sums.new SHA256SUMS`,
      sums,
    ]);
    const ran = await kiln([
      'build',
      `${file}:one`,
      '--home',
      forged,
      '--rebuild',
      '--compare',
      '--ccache=off',
    ]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/System\.map differs[\s\S]*System\.map: line 1: "f[^"]*" stored, /);
  });

  it('need a bundle to be compared with', async () => {
    const ran = await kiln([
      'build',
      `${file}:one`,
      '--home',
      freshDirectory('home'),
      '--rebuild',
      '--compare',
    ]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/there is no whole bundle .* to compare with/);
    const alone = await kiln(['build', `${file}:one`, '--compare']);
    expect(alone.code).toBe(2);
  });
});

describe('the same bundle', () => {
  it('comes of a build without sandbox, by another user and at another path', async () => {
    const original = await sampleHome();
    const id = (home: string) => {
      const [found = ''] = readdirSync(join(home, 'bundles/sample/all')).filter(
        (name) => !name.endsWith('.json'),
      );
      return { found, sums: readFileSync(join(home, 'bundles/sample/all', found, 'SHA256SUMS'), 'utf8') };
    };
    const home = join(freshDirectory('a rather long way down').replaceAll(' ', '-'), 'home');
    mkdirSync(home, { recursive: true });
    const { jobs } = await buildJson(['sample:all', '--home', home, '--sandbox=off', '--no-publish'], {
      TZ: 'Asia/Tokyo',
      USER: 'x',
    });
    expect(jobs[0]?.status).toBe('built');
    const bytes = (sums: string) =>
      sums.split('\n').filter((line) => /vmlinuz|initrd|modules|System\.map|config/.test(line));
    expect(bytes(id(home).sums)).toEqual(bytes(id(original).sums));
    const manifest = JSON.parse(
      readFileSync(join(home, 'bundles/sample/all', id(home).found, 'manifest.json'), 'utf8'),
    );
    expect(manifest.build).toEqual({ sandbox: 'off' });
  });
});

describe.skipIf(fault !== undefined)(
  `a Makefile that means harm${fault === undefined ? '' : ` (skipped: ${fault})`}`,
  () => {
    it.each([
      ['tries the network', 'exec 3<>/dev/tcp/127.0.0.1/22', /refused|unreachable/i],
      ['reads accounts', 'cat /etc/passwd', /\/etc\/passwd: No such file/],
      [
        'writes above its tree',
        'echo x >../../stolen',
        /stolen: (Read-only|Permission)|Directory nonexistent|Permission denied/,
      ],
      ['writes into the system', 'echo x >/usr/bin/kiln-was-here', /Read-only file system/],
      [
        'starts processes without end',
        'f() { f | f & }; f; wait; sleep 100',
        /started more than \d+ processes/,
      ],
    ])('and %s gets nowhere, and is named', async (_what, command, sentence) => {
      const tree = treeWith(`\nvmlinux: harm\nharm:\n\t@${command.replaceAll('$', '$$$$')}\n.PHONY: harm\n`);
      const file = writeRecipe({ more: NO_GATE });
      const home = freshDirectory('home');
      const ran = await kiln(['build', file, '--source', `kernel=${tree}`, '--home', home]);
      expect(ran.code).toBe(1);
      expect(ran.stderr).toMatch(sentence);
      expect(existsSync('/usr/bin/kiln-was-here')).toBe(false);
      expect(existsSync(join(home, 'bundles/own'))).toBe(false);
      expect(processesWith(home)).toEqual([]);
    });
  },
);

describe('kill -9 of a build', () => {
  it.each(['fetch', 'tree', 'config', 'compile', 'initrd', 'gate', 'publish'])(
    'in the step %s leaves no process, no mount, no half tree, and the next build is whole',
    async (step) => {
      const home = freshDirectory('home');
      const child = startKiln(['build', 'sample:ne2k', '--home', home, '--progress', 'json']);
      child.stdout.resume();
      let workers: number[] = [];
      for await (const line of createInterface({ input: child.stderr })) {
        const event = line.startsWith('{')
          ? (JSON.parse(line) as { type: string; step?: string })
          : undefined;
        if (event?.type !== 'step-started' || event.step !== step) continue;
        workers = workersOf(child);
        child.kill('SIGKILL');
        break;
      }
      child.stderr.resume();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      await expect.poll(() => workers.filter(isRunning), { timeout: 120_000 }).toEqual([]);
      await expect.poll(() => processesWith(home), { timeout: 120_000 }).toEqual([]);
      expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(home);
      const { jobs } = await buildJson(['sample:ne2k', '--home', home]);
      expect(jobs[0]?.status).toBe('published');
      expect((await kiln(['verify', '--home', home])).code).toBe(0);
      expect(existsSync(join(home, 'cache/work')) ? readdirSync(join(home, 'cache/work')) : []).toEqual([]);
    },
  );
});
