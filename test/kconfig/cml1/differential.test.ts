import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolve } from '../../../src/kconfig/cml1/resolve.ts';
import { loadTree, parseBase, resolveConfig } from '../../../src/kconfig/index.ts';
import { KilnError } from '../../../src/platform/errors.ts';
import { type ConfigFiles, configure, directoryReader, kernelTarball, unpackConfigFiles } from './kernels.ts';
import { baseGenerator } from './random.ts';

/** KILN_DIFFERENTIAL=1000 gives the long run. */
const COUNT = Number(process.env.KILN_DIFFERENTIAL ?? 15);
const MINUTES = 60_000;

interface Tally {
  same: number;
  readonly different: number[];
  readonly refused: string[];
}

/** Compares with the tree's own scripts/Configure until `COUNT` configurations were byte for byte the same. */
async function compare(directory: string): Promise<Tally> {
  const tree = loadTree(directoryReader(directory), 'i386');
  const draw = baseGenerator(tree, directoryReader(directory).read('arch/i386/defconfig') ?? '');
  const tally: Tally = { same: 0, different: [], refused: [] };
  for (let number = 0; tally.same + tally.different.length < COUNT; number += 1) {
    const base = draw(number);
    try {
      const ours = resolve(tree, parseBase(base, 'base'));
      const theirs = await configure(directory, 'i386', base);
      if (theirs?.dotConfig === ours.dotConfig && theirs.autoconf === ours.autoconf) tally.same += 1;
      else tally.different.push(number);
    } catch (error) {
      if (!(error instanceof KilnError)) throw error;
      tally.refused.push(`${number}: ${error.message}`);
    }
  }
  return tally;
}

describe.each([
  ['2.2.17', 9],
  ['2.4.22', 18],
  ['2.4.37.11', 18],
])('on Linux %s', (version, architectures) => {
  const tarball = kernelTarball(version);
  const title = tarball === undefined ? ` (skipped: no linux-${version} tarball)` : '';
  let files: ConfigFiles | undefined;

  beforeAll(async () => {
    if (tarball !== undefined) files = await unpackConfigFiles(tarball);
  });
  afterAll(() => files?.remove());

  test.skipIf(tarball === undefined)(
    `random bases give what scripts/Configure gives, byte for byte${title}`,
    async () => {
      if (files === undefined) throw new Error('not unpacked');
      const tally = await compare(files.directory);
      expect(tally.different).toEqual([]);
      // What we refuse is what scripts/Configure asks for ever; it is rare.
      expect(tally.refused.length).toBeLessThanOrEqual(COUNT / 2);
    },
    Math.max(10, COUNT / 10) * MINUTES,
  );

  test.skipIf(tarball === undefined)(
    `what is refused is what scripts/Configure never ends with${title}`,
    async () => {
      if (files === undefined) throw new Error('not unpacked');
      const base = 'CONFIG_BLK_DEV_RAM=y\nCONFIG_BLK_DEV_RAM_SIZE=big\n';
      const tree = loadTree(files.reader, 'i386');
      expect(() => resolve(tree, parseBase(base, 'base'))).toThrow('CONFIG_BLK_DEV_RAM_SIZE');
      expect(await configure(files.directory, 'i386', base, 15_000)).toBeUndefined();
    },
  );

  test.skipIf(tarball === undefined)(
    `what a build settles on is left as it is by scripts/Configure${title}`,
    async () => {
      if (files === undefined) throw new Error('not unpacked');
      const { directory, reader } = files;
      const tree = loadTree(reader, 'i386');
      const draw = baseGenerator(tree, reader.read('arch/i386/defconfig') ?? '');
      for (const number of [1003, 1004, 1006]) {
        const { dotConfig } = resolveConfig({ tree, base: draw(number), requested: [], settle: true });
        expect((await configure(directory, 'i386', dotConfig))?.dotConfig).toBe(dotConfig);
      }
    },
  );

  test.skipIf(tarball === undefined)(`every architecture is read without an error${title}`, () => {
    if (files === undefined) throw new Error('not unpacked');
    const { reader } = files;
    const names = files.architectures();
    expect(names.length).toBe(architectures);
    for (const arch of names) expect(loadTree(reader, arch).root.length).toBeGreaterThan(0);
  });

  test.skipIf(tarball === undefined)(
    `every architecture's defaults give what scripts/Configure gives${title}`,
    async () => {
      if (files === undefined) throw new Error('not unpacked');
      const { directory, reader } = files;
      for (const arch of files.architectures()) {
        const base = reader.read(`arch/${arch}/defconfig`) ?? '';
        const ours = resolve(loadTree(reader, arch), parseBase(base, 'defconfig'));
        const theirs = await configure(directory, arch, base);
        expect({ arch, ...theirs }).toEqual({ arch, dotConfig: ours.dotConfig, autoconf: ours.autoconf });
      }
    },
    10 * MINUTES,
  );
});

describe('on the sample kernel', () => {
  let directory = '';

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kiln-sample-'));
    cpSync(join(import.meta.dirname, '../../../recipes/sample/linux'), directory, { recursive: true });
  });
  afterAll(() => rm(directory, { recursive: true }));

  test('random bases give what scripts/Configure gives, byte for byte', async () => {
    const tally = await compare(directory);
    expect(tally).toMatchObject({ different: [], refused: [] });
  });
});
