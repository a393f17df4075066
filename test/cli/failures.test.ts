import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { tryLock } from '../../src/platform/lock.ts';
import { buildJson, freshDirectory, kiln, processesWith, startKiln, workersOf } from '../support/kiln.ts';
import { SAMPLE_TARBALL, writeRecipe } from '../support/recipes.ts';

describe('a machine without a place for temporary files: exit 1', () => {
  it('is said, and the process that was to build does not wait for its job for ever', async () => {
    const home = freshDirectory('homeless');
    const ran = await kiln(['build', 'sample:ne2k', '--home', home], { TMPDIR: join(home, 'none') });
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/no temporary directory can be made in \S+\/none[\s\S]*hint: set TMPDIR/);
  });
});

describe('a recipe or an argument that is not valid: exit 2, and nothing is written', () => {
  it.each([
    ['a recipe that there is not', ['build', 'nothing'], /there is no recipe nothing[\s\S]*sample/],
    ['a variant that there is not', ['build', 'sample:nothing'], /has no variant nothing[\s\S]*rtl8139/],
    ['an option that there is not', ['build', '--fast'], /unknown option '--fast'/],
    ['a command that there is not', ['biuld'], /unknown command 'biuld'[\s\S]*build/],
    [
      "a command's command with an argument too many",
      ['ltsp', 'install', 'x', '--root', '/nowhere'],
      /too many arguments[\s\S]*hint: kiln ltsp install --help\n/,
    ],
    [
      'a source that there is not',
      ['build', '--source', 'kernle=/x'],
      /there is no source kernle[\s\S]*kernel/,
    ],
    ['a source without a path', ['build', '--source', 'kernel'], /expected NAME=PATH/],
    ['a number that is none', ['build', '--jobs', 'many'], /expected a whole number/],
    [
      'a way to show progress that there is not',
      ['build', '--progress', 'loud'],
      /auto, tty, plain, json, none/,
    ],
    [
      'a channel outside the TFTP root',
      ['build', 'sample:ne2k', '--channel', '../x'],
      /is not a channel's name/,
    ],
    [
      'a home where nothing can be made, which Node would try for ever',
      ['plan', '--home', '/proc/kiln/home'],
      /can't be the home: nobody can make a directory in \/proc/,
    ],
    ['one channel for three variants', ['build', '--channel', 'x'], /would both go there/],
    ['one channel for three variants of a job', ['queue', 'add', '--channel', 'x'], /would both go there/],
    [
      'a channel for a job outside the TFTP root',
      ['queue', 'add', 'sample:ne2k', '--channel', '../x'],
      /is not a channel's name/,
    ],
    [
      'two recipes that publish to one channel',
      ['build', writeRecipe({ more: 'description: one\n' }), writeRecipe({ more: 'description: other\n' })],
      /channel own\/a: own:a \(.*\) and own:a \(.*\) would both go there/,
    ],
    [
      'a recipe that publishes below the channel of another',
      ['build', ownChannel('lts/{variant}/new'), ownChannel('lts/{variant}')],
      /channel lts\/a\/new of own:a \(.*\) would be below lts\/a, the channel of own:a/,
    ],
  ])('%s', async (_what, args, sentence) => {
    const home = freshDirectory('usage');
    const ran = await kiln(['--home', home, ...args]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(sentence);
    expect(ran.stderr).toMatch(/hint:/);
    expect(existsSync(join(home, 'bundles'))).toBe(false);
  });

  it('a recipe with faults: file, line and column', async () => {
    const file = writeRecipe({ more: 'colour: blue\n' });
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/own\.yaml:\d+:1: colour: there is no such setting/);
  });

  it('a fragment with a line that is none: file and line', async () => {
    const file = writeRecipe({ fragment: 'CONFIG_NET=y\nCONFIG_PCI y\n' });
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/own\.config:2: /);
  });

  it('as JSON when asked for, with the place', async () => {
    const file = writeRecipe({ more: 'colour: blue\n' });
    const ran = await kiln(['build', file, '--json', '--home', freshDirectory('home')]);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      error: { kind: 'invalid', exit: 2, place: expect.stringMatching(/own\.yaml:\d+:1$/) },
    });
  });
});

it('a channel whose place is taken is told before anything is compiled: exit 1', async () => {
  const home = freshDirectory('home');
  mkdirSync(join(home, 'tftp/own/a/mine'), { recursive: true });
  const { ran, jobs } = await buildJson([writeRecipe(), '--home', home]);
  expect(ran.code).toBe(1);
  expect(jobs[0]?.error?.message).toMatch(/tftp\/own\/a is a directory, not a symlink/);
  expect(jobs[0]?.steps).toEqual({ run: 0, hit: 0 });
});

describe('sources', () => {
  const PINNED = 'md5: 00000000000000000000000000000000';

  it('that are nowhere: exit 1, naming the file, the URLs and the mirror directory', async () => {
    const mirror = freshDirectory('mirror');
    const file = writeRecipe({ urls: ['file:///nowhere/linux-2.4.99.tar.bz2', 'gone/linux-2.4.99.tar.bz2'] });
    const ran = await kiln(['build', file, '--mirror', mirror, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('linux-2.4.99.tar.bz2');
    expect(ran.stderr).toContain('/nowhere/linux-2.4.99.tar.bz2: no such file');
    expect(ran.stderr).toContain(mirror);
    expect(ran.stderr).toMatch(/log: .*\.log/);
    expect(ran.stderr).toMatch(/again: kiln build/);
  });

  it('that are damaged: exit 4, and the store does not keep them', async () => {
    const home = freshDirectory('home');
    const ran = await kiln(['build', writeRecipe({ digest: PINNED }), '--home', home]);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/md5/);
    expect(
      existsSync(join(home, 'cache/sources/sha256')) ? readdirSync(join(home, 'cache/sources/sha256')) : [],
    ).toEqual([]);
  });

  it('come from the mirror before the network, are locked at first sight, and must match from then on', async () => {
    const mirror = freshDirectory('mirror');
    copyFileSync(SAMPLE_TARBALL, join(mirror, 'linux-2.4.99.tar.bz2'));
    const file = writeRecipe({ urls: ['https://kernel.invalid/linux-2.4.99.tar.bz2'] });
    const home = freshDirectory('home');
    const { ran, jobs } = await buildJson([file, '--mirror', mirror, '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(jobs[0]?.substituted).toEqual([]);
    const lock = readFileSync(join(dirname(file), 'own.lock.yaml'), 'utf8');
    expect(lock).toMatch(
      /kernel:\n {4}file: linux-2\.4\.99\.tar\.bz2\n {4}size: \d+\n {4}sha256: [0-9a-f]{64}\n/,
    );
    // Another file of that name, for a home that has not seen the first.
    const bytes = readFileSync(SAMPLE_TARBALL);
    writeFileSync(
      join(mirror, 'linux-2.4.99.tar.bz2'),
      Buffer.concat([bytes.subarray(0, -1), Buffer.from([1])]),
    );
    const other = await kiln(['build', file, '--mirror', mirror, '--home', freshDirectory('home')]);
    expect(other.code).toBe(4);
    expect(other.stderr).toMatch(/sha256/);
  });

  it('that turn out to be no kernel are not locked to', async () => {
    const file = writeRecipe({ urls: ['page.tar.bz2'] }, { 'page.tar.bz2': '<html>gone</html>' });
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(4);
    expect(ran.stderr).toMatch(/page\.tar\.bz2/);
    expect(existsSync(join(dirname(file), 'own.lock.yaml'))).toBe(false);
  });

  it('that are replaced on purpose escape their pins, and everything says so', async () => {
    const file = writeRecipe({ digest: PINNED });
    const home = freshDirectory('home');
    const { ran, jobs } = await buildJson([
      file,
      '--source',
      `kernel=${SAMPLE_TARBALL}`,
      '--home',
      home,
      '--no-publish',
    ]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(jobs[0]).toMatchObject({ status: 'built', channel: null, substituted: ['kernel'] });
    const shown = await kiln(['show', jobs[0]?.bundle ?? '', '--home', home]);
    expect(shown.stdout).toContain('(substituted)');
    expect(existsSync(join(dirname(file), 'own.lock.yaml'))).toBe(false);
    expect(existsSync(join(home, 'tftp/own'))).toBe(false);
  });

  it('of openMosix that are missing: exit 1; damaged: exit 4', async () => {
    const mirror = freshDirectory('mirror');
    const args = ['build', 'openmosix-2.4.22:rtl8139', '--mirror', mirror, '--home', freshDirectory('home')];
    // A proxy that nobody answers at: no test reaches a network.
    const offline = { https_proxy: 'http://127.0.0.1:9' };
    const missing = await kiln(args, offline);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain(`${mirror}/openMosix-2.4.22-2.bz2: no such file`);
    writeFileSync(join(mirror, 'openMosix-2.4.22-2.bz2'), Buffer.alloc(245575));
    const damaged = await kiln(args, offline);
    expect(damaged.code).toBe(4);
    expect(damaged.stderr).toContain('expected 98383791652633351317c59952735d16');
  });

  it('of openMosix are planned though they were never seen, and their absence is told', async () => {
    const home = freshDirectory('home');
    const planned = await kiln(['plan', 'openmosix-2.4.22:rtl8139', '--home', home]);
    expect(planned.code).toBe(0);
    expect(planned.stdout).toMatch(/fetch\s+miss\s+not in the store: kernel, openMosix-2\.4\.22-2/);
  });
});

describe('a patch or an option that does not come true', () => {
  it('a hunk that has no place: exit 1, naming file and hunk; the tree of the cache is not made', async () => {
    const patch =
      '--- a/init/main.c\n+++ b/init/main.c\n@@ -1,3 +1,3 @@\n not there\n-nor this\n+but this\n nor that\n';
    const file = writeRecipe(
      { patches: 'patches:\n  - {name: bad, urls: [bad.patch]}\n' },
      { 'bad.patch': patch },
    );
    const home = freshDirectory('home');
    const ran = await kiln(['build', file, '--home', home]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/bad[\s\S]*init\/main\.c/);
    expect(readdirSync(join(home, 'cache/steps/tree'))).toEqual([]);
  });

  it('a patch that leaves the tree: exit 4', async () => {
    const patch = '--- /dev/null\n+++ b/../../escaped\n@@ -0,0 +1 @@\n+text\n';
    const file = writeRecipe(
      { patches: 'patches:\n  - {name: bad, urls: [bad.patch]}\n' },
      { 'bad.patch': patch },
    );
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(4);
  });

  it('an option that gets another value: exit 1, fragment and line', async () => {
    const fragment =
      '# RAM disk as a module\nCONFIG_BLK_DEV_RAM=m\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_NOT_HERE=y\n';
    const ran = await kiln(['build', writeRecipe({ fragment }), '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/2 of 3 requested options did not come true/);
    expect(ran.stderr).toMatch(/own\.config:3: CONFIG_BLK_DEV_INITRD asked y, got n/);
    expect(ran.stderr).toMatch(/own\.config:4: CONFIG_NOT_HERE/);
  });

  it('unless the recipe accepts it', async () => {
    const fragment = 'CONFIG_NE2K_PCI=y\nCONFIG_NOT_HERE=y\n';
    const text = readFileSync(writeRecipe({ fragment }), 'utf8').replace(
      '[own.config]',
      '[own.config]\n  accept: [CONFIG_NOT_HERE]',
    );
    const file = writeRecipe({ fragment });
    writeFileSync(file, text);
    const { ran } = await buildJson([file, '--home', freshDirectory('home'), '--no-publish']);
    expect(ran.code, ran.stderr).toBe(0);
  });

  it('a configuration that the tree’s own oldconfig would change: exit 1, and which options', async () => {
    const configure = readFileSync(join(dirname(SAMPLE_TARBALL), 'linux/scripts/Configure'), 'utf8').split(
      '\n',
    );
    const last = configure.slice(-4, -1);
    const context = last.map((line) => ` ${line}\n`).join('');
    const at = configure.length - last.length;
    const patch = `--- a/scripts/Configure\n+++ b/scripts/Configure\n@@ -${at},3 +${at},4 @@\n${context}+echo CONFIG_SLIPPED_IN=y >>.config\n`;
    const file = writeRecipe(
      { patches: 'patches:\n  - {name: sly, urls: [sly.patch]}\n' },
      { 'sly.patch': patch },
    );
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/make oldconfig changed the configuration: 1 option differs/);
    expect(ran.stderr).toMatch(/CONFIG_SLIPPED_IN: nothing -> y/);
  });

  it('an initrd that is too small: exit 1, and how much is needed', async () => {
    const file = writeRecipe({ more: 'initrd: {size: 60, inodes: 200}\n' });
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/KiB/);
  });

  it('code that does not compile: exit 1, with the compiler’s line and not make’s', async () => {
    const patches = 'patches:\n  - {name: broken, urls: [broken.patch]}\n';
    const file = writeRecipe({ patches }, { 'broken.patch': compileErrorPatch() });
    const ran = await kiln(['build', file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/init\/version\.c:\d+:\d+: error: /);
  });
});

/** Adds a line that is no C to the top of a file of the sample kernel. */
/** A recipe with another channel than the usual one. */
function ownChannel(channel: string): string {
  const file = writeRecipe();
  writeFileSync(file, readFileSync(file, 'utf8').replace('own/{variant}', channel));
  return file;
}

function compileErrorPatch(): string {
  const source = readFileSync(join(dirname(SAMPLE_TARBALL), 'linux/init/version.c'), 'utf8').split('\n');
  const context = source
    .slice(0, 3)
    .map((line) => ` ${line}\n`)
    .join('');
  return `--- a/init/version.c\n+++ b/init/version.c\n@@ -1,3 +1,4 @@\n+this is no C;\n${context}`;
}

describe('the boot gate', () => {
  it.each([
    ['a panic', 'console=ttyS0 kiln.then=panic', /panicked/],
    ['a hang', 'console=ttyS0 kiln.then=hang', /within|after|time/],
  ])('%s fails it: exit 1, the console’s tail, and the channel stays', async (_what, cmdline, sentence) => {
    const expected = "['never printed']";
    const file = writeRecipe({ boot: `{cmdline: ${cmdline}, expect: ${expected}, timeout: 25}` });
    const home = freshDirectory('home');
    const { ran, jobs } = await buildJson([file, '--home', home]);
    expect(ran.code).toBe(1);
    expect(jobs[0]).toMatchObject({ status: 'failed', bundle: null, channel: null });
    expect(jobs[0]?.error?.message).toMatch(sentence);
    expect(jobs[0]?.error?.lines.join('\n')).toContain('Linux version 2.4.99');
    expect(existsSync(join(home, 'tftp/own'))).toBe(false);
    expect(existsSync(join(home, 'bundles/own'))).toBe(false);
  });

  it('a release other than the expected one fails it', async () => {
    const file = writeRecipe({
      boot: "{cmdline: console=ttyS0, expect: ['Linux version 2.4.98'], timeout: 60}",
    });
    const { ran } = await buildJson([file, '--home', freshDirectory('home')]);
    expect(ran.code).toBe(1);
  });
});

describe('several Kilns on one home', () => {
  it('a variant that another process is building: exit 5, who holds it and since when', async () => {
    const home = freshDirectory('home');
    mkdirSync(join(home, 'locks/build/sample'), { recursive: true });
    const held = tryLock(join(home, 'locks/build/sample/ne2k.lock'), 'kiln build sample:ne2k');
    const ran = await kiln(['build', 'sample:ne2k', '--home', home]);
    if ('release' in held) held.release();
    expect(ran.code).toBe(5);
    expect(ran.stderr).toMatch(new RegExp(`process ${process.pid} \\(kiln build sample:ne2k, since \\d{4}-`));
  });
});

describe('stopping', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends every process, exits %i, and the next build goes on', async (signal, code) => {
    const home = freshDirectory(`stop-${signal}`);
    const child = startKiln([
      'build',
      'sample:ne2k',
      '--home',
      home,
      '--json',
      '--progress',
      'json',
      '--no-publish',
    ]);
    await seeStep(child.stderr, 'compile');
    child.kill(signal);
    const [exit] = (await once(child, 'exit')) as [number];
    expect(exit).toBe(code);
    expect(processesWith(home)).toEqual([]);
    expect(readdirSync(join(home, 'cache/work'))).toEqual([]);
    const { ran, jobs } = await buildJson(['sample:ne2k', '--home', home, '--no-publish']);
    expect(ran.code, ran.stderr).toBe(0);
    expect(jobs[0]?.steps.hit).toBeGreaterThan(0);
  });

  it('kill -9 leaves nothing that the next build does not clear away', async () => {
    const home = freshDirectory('killed');
    const child = startKiln(['build', 'sample:ne2k', '--home', home, '--progress', 'json']);
    await seeStep(child.stderr, 'compile');
    // The worker as well, and before it can hear of the other's end: it would clear away what it was at.
    const workers = workersOf(child);
    expect(workers).toHaveLength(1);
    for (const pid of workers) process.kill(pid, 'SIGKILL');
    child.kill('SIGKILL');
    await once(child, 'exit');
    // make and the compilers end with them, without anyone telling them.
    await expect.poll(() => processesWith(join(home, 'cache/work')), { timeout: 120_000 }).toEqual([]);
    expect(readdirSync(join(home, 'cache/work'))).not.toEqual([]);
    const { ran, jobs } = await buildJson(['sample:ne2k', '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(readdirSync(join(home, 'cache/work'))).toEqual([]);
    expect(readlinkSync(join(home, 'tftp/sample/ne2k'))).toBe(`../bundles/${jobs[0]?.bundle}`);
  });
});

/** Waits for the event that a step has started. */
async function seeStep(stderr: NodeJS.ReadableStream, step: string): Promise<void> {
  const lines = createInterface({ input: stderr });
  for await (const line of lines) {
    const event = line.startsWith('{') ? (JSON.parse(line) as { type: string; step?: string }) : undefined;
    if (event?.type === 'step-started' && event.step === step) break;
  }
  stderr.resume();
}
