import { link, mkdir, open, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { readTextIfAny, syncDirectory, temporaryBeside, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import {
  checkSignatureText,
  formatPublicKey,
  makeSigningKey,
  type PublicKey,
  parsePublicKey,
  readSigningKey,
  type SignatureVerdict,
  type SigningKey,
  signBytes,
} from './minisign.ts';

/** Beside the sums, and in none of them: the bundle's bytes are the same whoever signs. */
export const SIGNATURE = 'SHA256SUMS.minisig';

/** Where a home's own key is: PEM, readable by its owner alone. */
export function signingKeyPath(home: Home): string {
  return join(home.keys, 'kiln.key');
}

/** Where its public half is, as `minisign -p` takes it. */
export function publicKeyPath(home: Home): string {
  return join(home.keys, 'kiln.pub');
}

/** Public keys of other Kilns whose bundles count as signed here: `*.pub` in this directory. */
export function trustedDirectory(home: Home): string {
  return join(home.keys, 'trusted');
}

/**
 * The key that this home signs with, made at its first use. Several processes that ask at once get the same.
 * @throws KilnError `integrity` when the file is there and is no key
 */
export async function signingKey(home: Home): Promise<SigningKey> {
  const file = signingKeyPath(home);
  const pem = (await readTextIfAny(file)) ?? (await placeKey(home, file));
  let key: SigningKey;
  try {
    key = readSigningKey(pem);
  } catch (error) {
    throw new KilnError('integrity', `not an Ed25519 key: ${(error as Error).message}`, {
      place: { file },
      hint: 'restore it from a backup; without it a new one is made, and older signatures need its public half in keys/trusted/',
    });
  }
  const text = formatPublicKey(key.public);
  if ((await readTextIfAny(publicKeyPath(home))) !== text) await writeFileAtomic(publicKeyPath(home), text);
  return key;
}

async function placeKey(home: Home, file: string): Promise<string> {
  await mkdir(home.keys, { recursive: true, mode: 0o700 });
  const temporary = temporaryBeside(file);
  const handle = await open(temporary, 'wx', 0o600);
  try {
    await handle.writeFile(makeSigningKey());
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // A link fails where a rename would replace the key that somebody else made a moment ago.
    await link(temporary, file);
    await syncDirectory(home.keys);
  } catch (error) {
    if (!hasErrno(error, 'EEXIST')) throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  return readFile(file, 'utf8');
}

/** The keys whose signatures count: the home's own and those in keys/trusted/. */
export async function trustedKeys(home: Home): Promise<PublicKey[]> {
  const files = (await readdir(trustedDirectory(home)).catch(noneThere))
    .filter((name) => name.endsWith('.pub'))
    .map((name) => join(trustedDirectory(home), name));
  const keys: PublicKey[] = [];
  for (const file of [publicKeyPath(home), ...files]) {
    const text = await readTextIfAny(file);
    if (text === undefined) continue;
    const key = parsePublicKey(text);
    if (key === undefined) {
      throw new KilnError('integrity', 'not a public key of minisign', {
        place: { file },
        hint: 'the file that minisign -G or kiln key --export writes, or its last line',
      });
    }
    keys.push(key);
  }
  return keys;
}

function noneThere(error: unknown): string[] {
  if (hasErrno(error, 'ENOENT')) return [];
  throw error;
}

/** The signature of a bundle's `SHA256SUMS`, which covers every other file of it but the log. */
export async function signatureOf(directory: string, comment: string, key: SigningKey): Promise<string> {
  return signBytes(await readFile(join(directory, 'SHA256SUMS')), comment, key);
}

/** Checks a bundle's signature. `unsigned` when there is none. */
export async function checkSignature(
  directory: string,
  trusted: readonly PublicKey[],
): Promise<SignatureVerdict | { readonly status: 'unsigned' }> {
  const text = await readIfFile(join(directory, SIGNATURE));
  const sums = await readIfFile(join(directory, 'SHA256SUMS'));
  if (text === undefined || sums === undefined) return { status: 'unsigned' };
  return checkSignatureText(Buffer.from(sums), text, trusted);
}

/** What has a file's name and is none, a directory say, signs nothing. */
async function readIfFile(path: string): Promise<string | undefined> {
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
  return isFile ? readTextIfAny(path) : undefined;
}
