import { readModule } from '../kernel/index.ts';
import { KilnError } from '../platform/errors.ts';
import type { StoredBundle } from './find.ts';
import type { PublicKey } from './minisign.ts';
import { isModule, readModuleArchive } from './modules.ts';
import { checkSignature, SIGNATURE } from './signature.ts';
import { type BundleFault, checkBundle } from './verify.ts';

/**
 * Everything that can be wrong with a bundle: a byte of it, its signature, and the release that each of its modules
 * was compiled for, which has to be the kernel's.
 * @param trusted the keys whose signatures count
 */
export async function inspectBundle(
  bundle: StoredBundle,
  trusted: readonly PublicKey[],
): Promise<BundleFault[]> {
  const faults = await checkBundle(bundle.directory, bundle.manifest);
  faults.push(...(await signatureFaults(bundle, trusted)));
  // Of a damaged archive nothing can be said besides.
  if (faults.some(({ file }) => file === 'modules.tar.gz')) return faults;
  return [...faults, ...(await moduleFaults(bundle))];
}

/** Why a bundle does not count as signed; empty when it does. */
export async function signatureFaults(
  { directory }: StoredBundle,
  trusted: readonly PublicKey[],
): Promise<BundleFault[]> {
  const verdict = await checkSignature(directory, trusted);
  const fault = (sentence: string): BundleFault[] => [{ file: SIGNATURE, problem: 'unsigned', sentence }];
  if (verdict.status === 'good') return [];
  if (verdict.status === 'unsigned') return fault(`${SIGNATURE} is missing: nobody has signed the bundle`);
  if (verdict.status === 'bad') return fault(`${SIGNATURE}: ${verdict.reason}`);
  return fault(`${SIGNATURE} is by the key ${verdict.keyId}, which is not trusted here (kiln key trust)`);
}

async function moduleFaults(bundle: StoredBundle): Promise<BundleFault[]> {
  const { release } = bundle.manifest;
  const faults: BundleFault[] = [];
  for (const member of (await readModuleArchive(bundle)).filter(isModule)) {
    const found = releaseOf(member.bytes, member.path);
    if (found === release) continue;
    const is = found === undefined ? 'for no kernel that it names' : `for ${found}`;
    faults.push({
      file: 'modules.tar.gz',
      problem: 'other-release',
      sentence: `modules.tar.gz: ${member.path} is ${is}, not for ${release}: it would not load`,
    });
  }
  return faults;
}

function releaseOf(bytes: Buffer, path: string): string | undefined {
  try {
    return readModule(bytes, path).release;
  } catch (error) {
    if (error instanceof KilnError) return undefined;
    throw error;
  }
}
