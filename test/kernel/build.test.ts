import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { compile, configureTree, familyFor, findToolchain, type Toolchain } from '../../src/kernel/index.ts';
import { digestOf } from '../../src/platform/digest.ts';
import { Jobserver } from '../../src/platform/jobserver.ts';
import { output } from '../../src/platform/process.ts';

const family = familyFor('2.4.99');
let toolchain: Toolchain;

beforeAll(async () => {
  toolchain = await findToolchain({ compiler: 'gcc' });
});

/** A copy of the sample kernel in a directory of its own. */
function sampleTree(name = 'linux'): string {
  const folder = mkdtempSync(join(tmpdir(), 'kiln-build-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  cpSync('recipes/sample/linux', join(folder, name), { recursive: true });
  return join(folder, name);
}

/** The options of the sample that a network card's module needs. */
const MODULAR = [
  'MODULES=y',
  'PCI=y',
  'NET=y',
  'INET=y',
  'NETDEVICES=y',
  'NET_ETHERNET=y',
  'NET_PCI=y',
  'NE2K_PCI=m',
];

async function build(tree: string) {
  writeFileSync(join(tree, '.config'), MODULAR.map((line) => `CONFIG_${line}\n`).join(''));
  await configureTree(tree, family, toolchain);
  return await compile(tree, family, toolchain, {
    jobs: 2,
    modulesInto: `${tree}.root`,
    buildDate: 1_000_000_000,
  });
}

test('the sample kernel is configured and compiled, and says what it compiles', async () => {
  const tree = sampleTree();
  const config = await configureTree(tree, family, toolchain);
  expect(readFileSync(config, 'utf8')).toContain('CONFIG_');
  const seen: string[] = [];
  const built = await compile(tree, family, toolchain, {
    jobs: 2,
    modulesInto: `${tree}.root`,
    buildDate: 1_000_000_000,
    onProgress: ({ compiled, file }) => seen.push(`${compiled} ${file}`),
  });
  expect(built.release).toBe('2.4.99');
  expect(seen).toHaveLength(built.compiled);
  expect(readFileSync(built.image).length).toBeGreaterThan(4096);
  expect(seen.join('\n')).toMatch(/\d+ init\/main\.c/);
});

test('modules are installed under their release, without a link to the tree', async () => {
  const built = await build(sampleTree());
  expect(existsSync(join(built.modules ?? '', 'kernel/drivers/net/ne2k-pci.o'))).toBe(true);
  expect(existsSync(join(built.modules ?? '', 'build'))).toBe(false);
});

test('where no option is m nothing walks through the tree for modules, and the release has its empty directories', async () => {
  const tree = sampleTree();
  writeFileSync(join(tree, '.config'), 'CONFIG_MODULES=y\n');
  await configureTree(tree, family, toolchain);
  const log = `${tree}.log`;
  const built = await compile(tree, family, toolchain, {
    jobs: 2,
    modulesInto: `${tree}.root`,
    buildDate: 1_000_000_000,
    log,
  });
  expect(readdirSync(built.modules ?? '').sort()).toEqual(['kernel', 'pcmcia']);
  expect(readFileSync(log, 'utf8')).not.toMatch(/MAKING_MODULES|modules_install/);
});

test('two builds in two directories give the same bytes', async () => {
  const [one, two] = [await build(sampleTree()), await build(sampleTree('another-name'))];
  expect(digestOf(readFileSync(two.image, 'base64'))).toBe(digestOf(readFileSync(one.image, 'base64')));
  expect(readFileSync(two.systemMap, 'utf8')).toBe(readFileSync(one.systemMap, 'utf8'));
});

test('a file that does not compile fails the build with its line', async () => {
  const tree = sampleTree();
  writeFileSync(join(tree, 'init/main.c'), 'int main = oak;\n');
  await expect(build(tree)).rejects.toMatchObject({
    kind: 'failed',
    message: 'make bzImage of Linux 2.4.99 failed',
    lines: [expect.stringMatching(/^init\/main\.c:1:12: error: /)],
  });
});

test('a configuration that never ends is given up', async () => {
  const tree = sampleTree();
  writeFileSync(join(tree, 'scripts/Configure'), 'while :; do :; done\n');
  await expect(configureTree(tree, family, toolchain, { timeoutMs: 1500 })).rejects.toMatchObject({
    kind: 'failed',
    message: expect.stringContaining('still asked for values'),
  });
});

test('a build that is called off ends with the reason given', async () => {
  const tree = sampleTree();
  await configureTree(tree, family, toolchain);
  const controller = new AbortController();
  const building = compile(tree, family, toolchain, {
    jobs: 1,
    modulesInto: `${tree}.root`,
    buildDate: 0,
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('called off')),
  });
  await expect(building).rejects.toThrow('called off');
});

test('a tree without a configuration is refused', async () => {
  const options = { jobs: 1, modulesInto: '/nonexistent', buildDate: 0 };
  await expect(compile(sampleTree(), family, toolchain, options)).rejects.toThrow(
    /the tree is not configured/,
  );
});

test('a path that make would take apart is refused', async () => {
  await expect(configureTree(sampleTree('a b'), family, toolchain)).rejects.toMatchObject({
    kind: 'invalid',
    message: expect.stringContaining("can't be built in"),
  });
});

test('a make of 1999 that knows no pool and no output in one piece builds too', async () => {
  const bin = mkdtempSync(join(tmpdir(), 'kiln-make-'));
  onTestFinished(() => rmSync(bin, { recursive: true }));
  // Named by its real path: the PATH leads here.
  writeFileSync(
    join(bin, 'make'),
    `#!/bin/sh
case "$MAKELEVEL-$*-$MAKEFLAGS" in
  -*--version*) echo 'GNU Make version 3.77, by Richard Stallman and Roland McGrath.'; exit 0 ;;
  -*--output-sync* | -*--jobserver-auth*) echo 'make: unrecognized option' >&2; exit 2 ;;
esac
exec /usr/bin/make "$@"
`,
    { mode: 0o755 },
  );
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const old = { ...toolchain, makeVersion: await output('make', ['--version'], { env }) };
  expect(old.makeVersion).toContain('3.77');
  const tree = sampleTree();
  await configureTree(tree, family, old, { env });
  const jobserver = await Jobserver.open(2, old.makeVersion);
  onTestFinished(() => jobserver.close());
  const built = await compile(tree, family, old, {
    jobs: 2,
    jobserver,
    env,
    modulesInto: `${tree}.root`,
    buildDate: 1_000_000_000,
  });
  expect(built.release).toBe('2.4.99');
});

test("make, the linker and the assembler are the system's, whatever comes first on the PATH", async () => {
  const bin = mkdtempSync(join(tmpdir(), 'kiln-path-'));
  const path = process.env.PATH;
  onTestFinished(() => {
    process.env.PATH = path;
    rmSync(bin, { recursive: true });
  });
  for (const name of ['make', 'ld', 'as']) {
    writeFileSync(join(bin, name), '#!/bin/sh\necho GNU 4.99\n', { mode: 0o755 });
  }
  process.env.PATH = `${bin}:${path}`;
  const found = await findToolchain({ compiler: 'gcc' });
  expect(found.fingerprint).toBe(toolchain.fingerprint);
  const tree = sampleTree();
  await configureTree(tree, family, found);
  await compile(tree, family, found, { jobs: 2, modulesInto: `${tree}.root`, buildDate: 1_000_000_000 });
  expect(existsSync(`${tree}/vmlinux`)).toBe(true);
});

/** A tree whose boot directory has two targets that can only be made at the same time: each end of a pipe waits for the other. */
function treeWithMeeting(makeboot: string, seconds: number): string {
  const tree = sampleTree();
  const pipe = join(tree, 'meeting');
  appendFileSync(
    join(tree, 'arch/i386/Makefile'),
    `\n${makeboot}\nbzImage: meeting\nmeeting:\n\t@$(MAKEBOOT) meeting\n.PHONY: meeting\n`,
  );
  appendFileSync(
    join(tree, 'arch/i386/boot/Makefile'),
    [
      '',
      'meeting: one other',
      'one:',
      `\t@timeout ${seconds} sh -c 'echo here > ${pipe}'`,
      'other:',
      `\t@timeout ${seconds} cat ${pipe}`,
      '.PHONY: meeting one other',
      '',
    ].join('\n'),
  );
  execFileSync('mkfifo', [pipe]);
  return tree;
}

test('the boot directory is made by as many processes as all else, though its make goes by another name', async () => {
  const tree = treeWithMeeting('MAKEBOOT = $(MAKE) -C arch/$(ARCH)/boot', 60);
  expect((await build(tree)).release).toBe('2.4.99');
});

test('a makefile that means something else by that name keeps it', async () => {
  const tree = treeWithMeeting('MAKEBOOT = $(MAKE) --no-print-directory -C arch/$(ARCH)/boot', 1);
  await expect(build(tree)).rejects.toMatchObject({ kind: 'failed' });
});
