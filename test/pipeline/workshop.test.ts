import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { findToolchain } from '../../src/kernel/index.ts';
import { stepCache } from '../../src/pipeline/cache.ts';
import { Workshop } from '../../src/pipeline/workshop.ts';
import { homeAt } from '../../src/platform/home.ts';
import { freshDirectory, processesWith } from '../support/kiln.ts';

it('a workshop compiles its init no longer when it is closed: all who wanted it have failed', async () => {
  const home = homeAt(freshDirectory('home'));
  const ccache = { use: 'off', size: '1G', remote: '' } as const;
  const settings = { sandbox: 'off', ccache, clean: false, slots: 1, pool: undefined } as const;
  const toolchain = await findToolchain({ compiler: 'gcc' });
  const workshop = await Workshop.open(
    home,
    stepCache(home),
    settings,
    toolchain.makeVersion,
    () => undefined,
  );
  const compiler = join(freshDirectory('compiler'), 'endless');
  writeFileSync(compiler, '#!/bin/sh\nsleep infinity\n', { mode: 0o755 });
  const init = workshop.init(
    { ...toolchain, initCompiler: compiler },
    '/dev/null',
    new AbortController().signal,
  );
  const refused = expect(init).rejects.toThrow();
  await vi.waitFor(() => expect(processesWith(compiler)).not.toEqual([]), { timeout: 60_000 });
  await workshop.close();
  await refused;
  expect(processesWith(compiler)).toEqual([]);
});
