import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { StoredBundle } from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { removeTree } from '../platform/files.ts';
import { output } from '../platform/process.ts';

/** The order in which differences are worth knowing: what causes others first. */
const CAUSES_FIRST = ['config', 'System.map', 'vmlinuz', 'modules.tar.gz', 'initrd.gz'];

/**
 * Holds a bundle that was built anew against the one in the store, byte for byte.
 * @param scratch a directory that does not exist yet, for unpacking
 * @throws KilnError `failed` that names the first difference: the file, the member of an archive, the byte
 */
export async function assertSameBundle(
  stored: StoredBundle,
  fresh: StoredBundle,
  scratch: string,
): Promise<void> {
  const rank = (name: string) => {
    const at = CAUSES_FIRST.indexOf(name);
    return at < 0 ? CAUSES_FIRST.length : at;
  };
  const names = [...new Set([...Object.keys(stored.manifest.files), ...Object.keys(fresh.manifest.files)])];
  const differing = names
    .filter((name) => stored.manifest.files[name]?.sha256 !== fresh.manifest.files[name]?.sha256)
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const [first] = differing;
  if (first === undefined) return;
  const lines = [await describeDifference(first, stored.directory, fresh.directory, scratch)];
  if (differing.length > 1) lines.push(`also: ${differing.slice(1).join(', ')}`);
  throw new KilnError(
    'failed',
    `${stored.manifest.id} built clean elsewhere is not what is stored: ${first} differs`,
    {
      lines,
      hint: 'the build depends on something that its key does not cover; the stored bundle was left as it is',
    },
  );
}

async function describeDifference(
  name: string,
  one: string,
  other: string,
  scratch: string,
): Promise<string> {
  const [a, b] = await Promise.all([one, other].map((directory) => readIfAny(join(directory, name))));
  if (a === undefined || b === undefined)
    return `${name}: only in the ${a === undefined ? 'new' : 'stored'} one`;
  if (name.endsWith('.tar.gz')) return describeMember(name, one, other, scratch);
  if (name.endsWith('.gz')) return `${name}, unpacked: ${describeBytes(gunzipSync(a), gunzipSync(b))}`;
  if (isText(a) && isText(b)) return `${name}: ${describeLines(a, b)}`;
  return `${name}: ${describeBytes(a, b)}`;
}

async function readIfAny(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The first member of two archives that differs. */
async function describeMember(name: string, one: string, other: string, scratch: string): Promise<string> {
  try {
    const [stored, fresh] = await Promise.all(
      [one, other].map(async (directory, index) => {
        const into = join(scratch, String(index));
        await mkdir(into, { recursive: true });
        const list = await output('tar', ['-xvf', join(directory, name), '-C', into]);
        return { into, members: list.split('\n').filter((member) => member !== '' && !member.endsWith('/')) };
      }),
    );
    if (stored === undefined || fresh === undefined) throw new Error('two archives were unpacked');
    for (const member of [...new Set([...stored.members, ...fresh.members])].sort()) {
      const [a, b] = await Promise.all([
        readIfAny(join(stored.into, member)),
        readIfAny(join(fresh.into, member)),
      ]);
      if (a === undefined || b === undefined) {
        return `${name}: ${member} is only in the ${a === undefined ? 'new' : 'stored'} one`;
      }
      if (!a.equals(b)) return `${name}: ${member}: ${isText(a) ? describeLines(a, b) : describeBytes(a, b)}`;
    }
    return `${name}: the same members in another order, or with other owners or times`;
  } finally {
    await removeTree(scratch);
  }
}

function isText(bytes: Buffer): boolean {
  return !bytes.subarray(0, 4096).includes(0);
}

function describeLines(a: Buffer, b: Buffer): string {
  const [one, other] = [a, b].map((bytes) => bytes.toString('latin1').split('\n'));
  const at = one?.findIndex((line, index) => line !== other?.[index]) ?? -1;
  const line = at < 0 ? (one?.length ?? 0) : at;
  return `line ${line + 1}: ${JSON.stringify(one?.[line] ?? '')} stored, ${JSON.stringify(other?.[line] ?? '')} now`;
}

function describeBytes(a: Buffer, b: Buffer): string {
  const shorter = Math.min(a.length, b.length);
  let at = 0;
  while (at < shorter && a[at] === b[at]) at++;
  const around = (bytes: Buffer) => bytes.subarray(at, at + 8).toString('hex') || 'its end';
  return `byte ${at} of ${a.length} stored and ${b.length} now: ${around(a)} stored, ${around(b)} now`;
}
