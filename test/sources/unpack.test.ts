import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { digestTree, type FetchedSource, fetchSource, unpackTree } from '../../src/sources/index.ts';
import { discard, failure, noise, recording, scratch, spec } from './fixture.ts';
import { bzip2, gzip, xz, zstd } from './pack.ts';
import { pax, smallTree, type TarEntry, tarOf } from './tarBytes.ts';

let home = '';
beforeEach(async () => {
  home = await scratch();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await discard(home);
});

/** Brings bytes (or a directory) in as the kernel's source. */
async function sourceOf(content: Buffer | string, name = 'linux-2.4.99.tar'): Promise<FetchedSource> {
  const path = typeof content === 'string' ? content : join(home, name);
  if (typeof content !== 'string') await writeFile(path, content);
  return fetchSource(spec(['unused']), recording(join(home, 'cache'), { substitute: path }));
}

async function unpackEntries(...entries: readonly TarEntry[]): Promise<string> {
  await unpackTree(await sourceOf(tarOf(...entries)), join(home, 'tree'));
  return join(home, 'tree');
}

/** A PATH on which only these programs are. */
async function only(...programs: readonly string[]): Promise<void> {
  const directory = join(home, 'bin');
  await mkdir(directory);
  for (const program of programs) {
    const found = execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
    await symlink(found, join(directory, program));
  }
  vi.stubEnv('PATH', directory);
}

describe('a kernel tarball', () => {
  test.each([['linux'], ['linux-2.4.99']])(
    'with the top directory %s/ becomes the tree itself',
    async (top) => {
      const tree = await unpackEntries(...smallTree(top));
      expect((await readdir(tree)).sort()).toEqual(['Makefile', 'include', 'scripts']);
      expect(await readFile(join(tree, 'Makefile'), 'utf8')).toContain('SUBLEVEL = 99');
      expect(await readlink(join(tree, 'include/asm'))).toBe('asm-i386');
    },
  );

  test('gets the same modes whatever the archive and the umask say', async () => {
    const before = process.umask(0o077);
    try {
      const tree = await unpackEntries(
        { name: 'linux/', type: '5', mode: 0o700 },
        { name: 'linux/locked/', type: '5', mode: 0o555 },
        { name: 'linux/locked/secret', mode: 0o600, content: 'x' },
        { name: 'linux/setuid', mode: 0o6775, content: 'x' },
        { name: 'linux/none', mode: 0, content: 'x' },
      );
      const modeOf = async (path: string) => ((await stat(join(tree, path))).mode & 0o7777).toString(8);
      expect(await modeOf('')).toBe('755');
      expect(await modeOf('locked')).toBe('755');
      expect(await modeOf('locked/secret')).toBe('644');
      expect(await modeOf('setuid')).toBe('755');
      expect(await modeOf('none')).toBe('644');
    } finally {
      process.umask(before);
    }
  });

  test('by git archive, with its global pax header, is one top directory', async () => {
    const tree = await unpackEntries(
      pax('g', { comment: '0123456789abcdef0123456789abcdef01234567' }),
      ...smallTree(),
    );
    expect(await readdir(tree)).toContain('Makefile');
  });

  test('with names too long for the header keeps them', async () => {
    const long = `linux-2.4.99/${'very-long-directory-name/'.repeat(6)}file.c`;
    const tree = await unpackEntries(...smallTree(), pax('x', { path: long }), {
      name: 'linux-2.4.99/x',
      content: 'long',
    });
    expect(await readFile(join(tree, long.slice('linux-2.4.99/'.length)), 'utf8')).toBe('long');
  });

  test('may hold hard links to its own files', async () => {
    const tree = await unpackEntries(...smallTree(), {
      name: 'linux-2.4.99/again',
      type: '1',
      linkname: 'linux-2.4.99/Makefile',
    });
    expect((await stat(join(tree, 'again'))).ino).toBe((await stat(join(tree, 'Makefile'))).ino);
  });

  test('leaves nothing beside the tree, and says in the log what unpacked it', async () => {
    const source = await sourceOf(tarOf(...smallTree()));
    const log = join(home, 'log');
    const options = recording('');
    const result = await unpackTree(source, join(home, 'out/tree'), {
      log,
      onEvent: options.onEvent ?? (() => {}),
    });
    expect(result).toEqual({ decoder: 'tar', members: 8 });
    expect(await readdir(join(home, 'out'))).toEqual(['tree']);
    expect(await readFile(log, 'utf8')).toBe('unpacked linux-2.4.99.tar by tar: 8 members\n');
    expect(options.events.map((event) => event.status)).toEqual(['unpacking', 'unpacked']);
  });

  test('is not unpacked over another tree', async () => {
    await mkdir(join(home, 'tree'));
    await writeFile(join(home, 'tree/precious'), 'x');
    await expect(unpackEntries(...smallTree())).rejects.toMatchObject({ code: 'ENOTEMPTY' });
    expect(await readdir(join(home, 'tree'))).toEqual(['precious']);
  });
});

describe('every packing', () => {
  const bytes = tarOf(...smallTree());
  const packings: [string, (bytes: Buffer) => Buffer, string[]][] = [
    ['lbzip2 | tar', bzip2, ['sh', 'tar', 'lbzip2', 'bzip2']],
    ['bzip2 | tar', bzip2, ['sh', 'tar', 'bzip2']],
    ['unbzip2-stream | tar', bzip2, ['sh', 'tar']],
    ['zlib | tar', gzip, ['sh', 'tar']],
    ['xz | tar', xz, ['sh', 'tar', 'xz']],
    ['zstd | tar', zstd, ['sh', 'tar', 'zstd']],
  ];
  test.each(packings)('is unpacked by %s, whatever the file is called', async (decoder, packed, path) => {
    const source = await sourceOf(packed(bytes), 'kernel.dat');
    await only(...path);
    expect(await unpackTree(source, join(home, 'tree'))).toEqual({ decoder, members: 8 });
    expect(await readFile(join(home, 'tree/include/asm/io.h'), 'utf8')).toHaveLength(5000);
  });

  test('of several streams one after another is unpacked to its end', async () => {
    for (const [index, packed] of [bzip2, gzip, xz, zstd].entries()) {
      const halves = Buffer.concat([packed(bytes.subarray(0, 2000)), packed(bytes.subarray(2000))]);
      const source = await sourceOf(halves);
      expect(await unpackTree(source, join(home, `tree${index}`))).toMatchObject({ members: 8 });
    }
  });

  test.each([
    ['xz', xz],
    ['zstd', zstd],
  ])('whose program %s is missing is an error that names the program', async (program, packed) => {
    const source = await sourceOf(packed(bytes));
    await only('sh', 'tar');
    const error = await failure(unpackTree(source, join(home, 'tree')));
    expect(error).toMatchObject({ kind: 'tool', exitCode: 3 });
    expect(error.message).toContain(`${program} is not installed`);
  });

  const truncatable: [string, (bytes: Buffer) => Buffer, string[]][] = [
    ['lbzip2', bzip2, ['sh', 'tar', 'lbzip2']],
    ['bzip2', bzip2, ['sh', 'tar', 'bzip2']],
    ['unbzip2-stream', bzip2, ['sh', 'tar']],
    ['zlib for gz', gzip, ['sh', 'tar']],
    ['xz', xz, ['sh', 'tar', 'xz']],
    ['zstd', zstd, ['sh', 'tar', 'zstd']],
  ];
  test.each(truncatable)('that is truncated is refused in words by %s', async (_, packed, path) => {
    const whole = packed(tarOf(...smallTree(), { name: 'linux-2.4.99/noise', content: noise(50_000) }));
    const source = await sourceOf(whole.subarray(0, whole.length - 5000));
    await only(...path);
    const error = await failure(unpackTree(source, join(home, 'out/tree')));
    expect(error).toMatchObject({ kind: 'integrity', exitCode: 4 });
    expect(error.message).toMatch(/is truncated or damaged: \S.* can't unpack it \(.*[a-z]{3}.*\)/);
    expect(error.message).toMatch(/^linux-2.4.99.tar \(source kernel\)/);
    expect(error.message).not.toContain('undefined');
    expect(await readdir(join(home, 'out'))).toEqual([]);
  });
});

describe('before the first byte is written,', () => {
  const top = smallTree();
  const inside = 'linux-2.4.99';
  const hostile: [string, readonly TarEntry[], RegExp][] = [
    ['an absolute name', [{ name: '/etc/passwd', content: 'x' }], /"\/etc\/passwd" has an absolute name/],
    ['a name that climbs out', [{ name: `${inside}/../../evil` }], /climbs out/],
    ['a name that climbs and comes back', [{ name: `${inside}/scripts/../Makefile` }], /climbs out/],
    ['a line break in a name', [{ name: `${inside}/a\nb` }], /line break/],
    ['a name that is not UTF-8', [{ name: Buffer.from(`${inside}/\xff`, 'latin1') }], /not UTF-8/],
    ['a character device', [{ name: `${inside}/null`, type: '3' }], /CharacterDevice/],
    ['a block device', [{ name: `${inside}/sda`, type: '4' }], /BlockDevice/],
    ['a fifo', [{ name: `${inside}/pipe`, type: '6' }], /FIFO/],
    ['a sparse file, which the lister skips', [{ name: `${inside}/sparse`, type: 'S' }], /SparseFile/],
    ['a type that nobody knows', [{ name: `${inside}/what`, type: 'Q' }], /Unsupported|of type/],
    [
      'a symlink to an absolute path',
      [{ name: `${inside}/etc`, type: '2', linkname: '/etc' }],
      /"\/etc", an absolute path/,
    ],
    [
      'a symlink that climbs out of the tree',
      [{ name: `${inside}/up`, type: '2', linkname: '../elsewhere' }],
      /outside linux-2.4.99\//,
    ],
    [
      'a symlink that climbs out through another symlink',
      [
        { name: `${inside}/a/`, type: '5' },
        { name: `${inside}/a/b/`, type: '5' },
        { name: `${inside}/a/b/top`, type: '2', linkname: '../..' },
        { name: `${inside}/out`, type: '2', linkname: 'a/b/top/../x' },
      ],
      /"linux-2.4.99\/out" is a symlink to "a\/b\/top\/..\/x", outside/,
    ],
    [
      'a member that goes through a symlink',
      [{ name: `${inside}/include/asm/evil.h`, content: 'x' }],
      /goes through the symlink "linux-2.4.99\/include\/asm"/,
    ],
    [
      'a member that goes through a symlink that comes later',
      [
        { name: `${inside}/later/evil`, content: 'x' },
        { name: `${inside}/later`, type: '2', linkname: 'scripts' },
      ],
      /goes through the symlink/,
    ],
    ['a member below a file', [{ name: `${inside}/Makefile/x`, content: 'x' }], /goes through the file/],
    [
      'a hard link to a file outside',
      [{ name: `${inside}/shadow`, type: '1', linkname: '../shadow' }],
      /hard link to "..\/shadow", which has a name that climbs out/,
    ],
    [
      'a hard link to an absolute path',
      [{ name: `${inside}/shadow`, type: '1', linkname: '/etc/shadow' }],
      /hard link to "\/etc\/shadow", which has an absolute name/,
    ],
    [
      'a hard link to a symlink',
      [{ name: `${inside}/l`, type: '1', linkname: `${inside}/include/asm` }],
      /hard link to .* a symlink/,
    ],
    [
      'a hard link to what is not there yet',
      [{ name: `${inside}/l`, type: '1', linkname: `${inside}/none` }],
      /no member before it/,
    ],
    [
      'a name that is a file and then a symlink',
      [{ name: `${inside}/Makefile`, type: '2', linkname: 'scripts/mkdep' }],
      /comes twice: as a file and as a symlink/,
    ],
    [
      'a name that is a directory and then a file',
      [{ name: `${inside}/scripts`, content: 'x' }],
      /comes twice: as a directory and as a file/,
    ],
    ['a second top directory', [{ name: 'evil/', type: '5' }], /beside the top directory linux-2.4.99\//],
    ['a file beside the top directory', [{ name: 'README', content: 'x' }], /where the one top directory/],
    [
      'a pax record that renames a member out of the tree',
      [pax('x', { path: '../evil' }), { name: `${inside}/harmless`, content: 'x' }],
      /"..\/evil" has a name that climbs out/,
    ],
    [
      'a pax record that points a symlink out of the tree',
      [pax('x', { linkpath: '/etc' }), { name: `${inside}/link`, type: '2', linkname: 'Makefile' }],
      /absolute path/,
    ],
  ];
  test.each(hostile)('%s is refused', async (_, entries, words) => {
    const source = await sourceOf(tarOf(...top, ...entries));
    const error = await failure(unpackTree(source, join(home, 'out/tree')));
    expect(error).toMatchObject({ kind: 'integrity', exitCode: 4 });
    expect(error.message).toMatch(words);
    expect(error.message).toContain('linux-2.4.99.tar (source kernel)');
    expect(await readdir(join(home, 'out'))).toEqual([]);
  });

  test('what only tar would see is refused after all, and no tree appears', async () => {
    // The lister reads on after a single zero block; tar takes it for the end.
    const [directory, ...rest] = top.map((entry) => tarOf(entry).subarray(0, -1024));
    const bytes = Buffer.concat([
      directory ?? Buffer.alloc(0),
      Buffer.alloc(512),
      ...rest,
      Buffer.alloc(1024),
    ]);
    const error = await failure(unpackTree(await sourceOf(bytes), join(home, 'out/tree')));
    expect(error.message).toContain('tar does not unpack');
    expect(await readdir(join(home, 'out'))).toEqual([]);
  });

  test.each([
    ['cut in a member', tarOf(...top).subarray(0, 5000)],
    ['cut in a header', tarOf(...top).subarray(0, 4000)],
    ['cut between two members', tarOf(...top).subarray(0, 4096)],
    ['with a damaged header', Buffer.concat([tarOf(...top).subarray(0, 512), noise(2048)])],
    ['of nothing but noise', noise(4096)],
    ['of text', Buffer.from('<html>404, but with style</html>\n'.repeat(99))],
    ['of no bytes', Buffer.alloc(0)],
    ['of no members', Buffer.alloc(10240)],
  ])('an archive %s is refused', async (_, bytes) => {
    const error = await failure(unpackTree(await sourceOf(bytes), join(home, 'out/tree')));
    expect(error.kind).toBe('integrity');
    expect(await readdir(join(home, 'out'))).toEqual([]);
  });
});

describe('a directory as the source', () => {
  async function checkout(): Promise<string> {
    const tree = join(home, 'checkout');
    await mkdir(join(tree, '.git/objects'), { recursive: true });
    await mkdir(join(tree, 'scripts'));
    await writeFile(join(tree, '.git/HEAD'), 'ref: x');
    await writeFile(join(tree, 'Makefile'), 'VERSION = 2\n');
    await writeFile(join(tree, 'scripts/mkdep'), '#!/bin/sh\n');
    await chmod(join(tree, 'scripts/mkdep'), 0o775);
    await symlink('Makefile', join(tree, 'link'));
    return tree;
  }

  test('is copied without .git, and stays as it was', async () => {
    const source = await sourceOf(await checkout());
    const result = await unpackTree(source, join(home, 'tree'));
    expect(result.members).toBe(4);
    expect((await readdir(join(home, 'tree'))).sort()).toEqual(['Makefile', 'link', 'scripts']);
    expect((await stat(join(home, 'tree/scripts/mkdep'))).mode & 0o777).toBe(0o755);
    expect((await lstat(join(home, 'tree/link'))).isSymbolicLink()).toBe(true);
    expect((await digestTree(join(home, 'checkout'))).sha256).toBe(source.sha256);
  });

  test('that changed since it was digested is refused', async () => {
    const tree = await checkout();
    const source = await sourceOf(tree);
    await writeFile(join(tree, 'Makefile'), 'VERSION = 3\n');
    const error = await failure(unpackTree(source, join(home, 'out/tree')));
    expect(error.kind).toBe('integrity');
    expect(await readdir(join(home, 'out'))).toEqual([]);
  });
});

test('stopping leaves nothing behind', async () => {
  const stop = new AbortController();
  const source = await sourceOf(bzip2(tarOf(...smallTree())));
  const unpacking = unpackTree(source, join(home, 'out/tree'), {
    signal: stop.signal,
    onEvent: () => stop.abort(new Error('enough')),
  });
  await expect(unpacking).rejects.toThrow('enough');
  expect(await readdir(join(home, 'out'))).toEqual([]);
});

const mirror = process.env.KILN_MIRROR ?? join(homedir(), 'kiln-mirror');
const tarball = join(mirror, 'linux-2.4.37.11.tar');
const without = existsSync(tarball) ? '' : ' (skipped: no linux-2.4.37.11 tarball)';
test.skipIf(without !== '')(
  `linux-2.4.37.11 unpacks as tar itself unpacks it${without}`,
  async () => {
    const source = await fetchSource(
      spec(['linux-2.4.37.11.tar'], { baseDirectory: mirror }),
      recording(join(home, 'cache')),
    );
    const { members } = await unpackTree(source, join(home, 'tree'));
    await mkdir(join(home, 'reference'));
    execFileSync('tar', ['-C', join(home, 'reference'), '-xf', tarball]);
    const reference = await digestTree(join(home, 'reference/linux-2.4.37.11'));
    expect((await digestTree(join(home, 'tree'))).sha256).toBe(reference.sha256);
    // The archive counts its top directory, the tree does not.
    expect(members).toBe(reference.members + 1);
  },
  600_000,
);

describe('a large archive', () => {
  /** Files enough that two processes are worth their start, half of them below drivers/. */
  const large = (more: readonly TarEntry[] = []): readonly TarEntry[] => [
    { name: 'linux/', type: '5', mode: 0o555 },
    ...smallTree('linux').filter(({ name }) => name !== 'linux/'),
    ...['drivers/net', 'fs', 'kernel [old]'].flatMap((folder, index) =>
      Array.from({ length: index === 0 ? 700 : 350 }, (_, at) => ({
        name: `linux/${folder}/f${at}.c`,
        content: `int f${at};\n`,
        mode: at % 7 === 0 ? 0o755 : 0o600,
      })),
    ),
    ...more,
  ];

  test.each([
    ['', []],
    [' with a hard link', [{ name: 'linux/fs/link.c', type: '1', linkname: 'linux/drivers/net/f1.c' }]],
    [' with a name written in another way', [{ name: './linux/drivers/net/f0.c', content: 'int other;\n' }]],
  ] as const)('%s is the same tree from one process and from two', async (_what, more) => {
    const before = process.umask(0o077);
    try {
      const source = await sourceOf(tarOf(...large(more)));
      const trees = [1, 2].map((processors) => ({ processors, tree: join(home, `tree-${processors}`) }));
      for (const { processors, tree } of trees) await unpackTree(source, tree, { processors });
      const [one, two] = await Promise.all(trees.map(async ({ tree }) => facts(tree)));
      expect(two).toEqual(one);
      expect(Object.keys(one ?? {}).length).toBeGreaterThan(1400);
    } finally {
      process.umask(before);
    }
  });

  async function facts(tree: string): Promise<Record<string, string>> {
    const names = ['.', ...(await readdir(tree, { recursive: true })).sort()];
    const found = names.map(async (name) => {
      const path = join(tree, name);
      const { mode, nlink, mtimeMs } = await lstat(path);
      const isFile = (await lstat(path)).isFile();
      const text = isFile ? await readFile(path, 'latin1') : '';
      return [name, [mode.toString(8), isFile ? `${nlink} ${mtimeMs}` : '', text].join(' ')] as const;
    });
    return Object.fromEntries(await Promise.all(found));
  }
});
