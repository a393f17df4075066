import { realpathSync } from 'node:fs';
import { mkdir, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { noexecMount } from '../platform/mounts.ts';
import { bubblewrapFault, type SandboxKind } from '../platform/sandbox.ts';

/** How this machine's own tools are run. */
export type OwnSandbox = Exclude<SandboxKind, 'container'>;

/**
 * Compiling a kernel is running programs that were compiled in its tree.
 * @throws KilnError `failed` where none can be started in the home's cache
 */
export async function assertPrograms(home: Home): Promise<void> {
  await mkdir(home.cache, { recursive: true });
  const mount = await noexecMount(await realpath(home.cache));
  if (mount === undefined) return;
  throw new KilnError('failed', `no program can be started in ${home.cache}: ${mount} is mounted noexec`, {
    hint: "a kernel's tree has programs of its own: name another home with --home, or mount it with exec",
  });
}

/** Where a compiler is that does not belong to the system; one of one's own brings its libraries beside its bin/. */
export function placesOf(compiler: string): string[] {
  const real = realpathSync(compiler);
  return [dirname(compiler), ...(real.startsWith('/usr/') ? [] : [dirname(dirname(real))])].filter(
    (path) => !/^\/(usr|bin)(\/|$)/.test(path),
  );
}

/**
 * How steps with this machine's own tools are kept from it.
 * @param warn told in a sentence why they can't be, where they can't
 */
export async function chooseSandbox(
  wanted: 'auto' | 'off',
  home: Home,
  warn: (sentence: string) => void,
): Promise<OwnSandbox> {
  if (wanted === 'off') return 'off';
  const fault = await bubblewrapFault(await realpath(home.cache));
  if (fault === undefined) return 'bubblewrap';
  warn(`steps run without a sandbox: ${fault}`);
  return 'none';
}
