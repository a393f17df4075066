import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RemoteStorages } from '../../src/ccache/storages.ts';
import { findToolchain } from '../../src/kernel/index.ts';
import { ccacheFor, ccacheResults } from '../../src/pipeline/ccache.ts';
import { homeAt } from '../../src/platform/home.ts';
import { baseEnvironment, output } from '../../src/platform/process.ts';
import { freshDirectory } from '../support/kiln.ts';

it('ccache keeps its results below a home whose path has a "$", and a name behind it', async () => {
  const directory = freshDirectory('ccache');
  const home = homeAt(join(directory, `a$HOME \${b} $$`));
  mkdirSync(home.root);
  const settings = { use: 'auto', size: '1G', remote: '' } as const;
  const none = await RemoteStorages.open([], false, () => undefined);
  const ccache = await ccacheFor(home, settings, await findToolchain({ compiler: 'gcc' }), none);
  if (ccache === undefined) throw new Error('ccache is not installed');
  writeFileSync(join(directory, 'one.c'), 'int one;');
  const env = { ...baseEnvironment(), ...ccache.env };
  await output('ccache', ['gcc', '-c', 'one.c'], { cwd: directory, env });
  expect(existsSync(join(directory, 'one.o'))).toBe(true);
  expect(readdirSync(join(home.cache, 'ccache')).length).toBeGreaterThan(0);
});

it('counts what ccache says of each source', async () => {
  const log = join(freshDirectory('log'), 'ccache.log');
  expect(await ccacheResults(log)).toEqual({ hits: 0, misses: 0, remote: 0 });
  const sources = [
    ['direct_cache_hit', 'local_storage_hit'],
    ['local_storage_miss', 'preprocessed_cache_hit', 'remote_storage_hit'],
    ['cache_miss', 'direct_cache_miss', 'remote_storage_hit'],
    ['cache_miss', 'remote_storage_miss'],
    ['called_for_link'],
  ];
  writeFileSync(log, sources.map((lines) => ['# a.c', ...lines, ''].join('\n')).join(''));
  expect(await ccacheResults(log)).toEqual({ hits: 2, misses: 2, remote: 1 });
});
