import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';

/**
 * Signatures in minisign's format (https://jedisct1.github.io/minisign/, "Signature format"), so that
 * `minisign -V` checks them: Ed25519 over the BLAKE2b-512 of the file (algorithm `ED`), and a second signature
 * that covers the first and the trusted comment.
 */

/** A public key and the eight bytes by which signatures name it. */
export interface PublicKey {
  readonly id: Buffer;
  readonly key: Buffer;
}

/** A key that signs. */
export interface SigningKey {
  readonly public: PublicKey;
  readonly private: KeyObject;
}

export type SignatureVerdict =
  | { readonly status: 'good'; readonly comment: string }
  /** Not a signature, or not of these bytes. */
  | { readonly status: 'bad'; readonly reason: string }
  /** By a key that is not among those given; its id as minisign writes it. */
  | { readonly status: 'unknown-key'; readonly keyId: string };

/** A new key, as PEM (PKCS #8). */
export function makeSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Reads a PEM made by `makeSigningKey`. @throws Error when it is no Ed25519 key */
export function readSigningKey(pem: string): SigningKey {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('not an Ed25519 key');
  const raw = Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
  // Minisign takes any eight bytes; these come from the key, so that one key never goes by two names.
  return { private: key, public: { id: createHash('sha256').update(raw).digest().subarray(0, 8), key: raw } };
}

/** `minisign.pub` as minisign writes it: a comment, then base64 of `Ed`, the id, the key. */
export function formatPublicKey(key: PublicKey): string {
  return `untrusted comment: minisign public key ${keyName(key.id)}\n${publicKeyLine(key)}\n`;
}

/** The line that `minisign -P` takes. */
export function publicKeyLine({ id, key }: PublicKey): string {
  return Buffer.concat([Buffer.from('Ed'), id, key]).toString('base64');
}

/** Reads a public key, with or without its comment. @returns undefined when it is none */
export function parsePublicKey(text: string): PublicKey | undefined {
  const line = text.trim().split('\n').at(-1)?.trim() ?? '';
  const bytes = Buffer.from(line, 'base64');
  if (bytes.length !== 42 || bytes.toString('latin1', 0, 2) !== 'Ed') return undefined;
  return { id: bytes.subarray(2, 10), key: bytes.subarray(10) };
}

/** A key's id as minisign writes it: the eight bytes as a little-endian number, in hex. */
export function keyName(id: Buffer): string {
  return id.readBigUInt64LE().toString(16).toUpperCase().padStart(16, '0');
}

/** The text of a `.minisig` file. The same bytes, comment and key give the same signature. */
export function signBytes(bytes: Uint8Array, trustedComment: string, key: SigningKey): string {
  const signature = sign(null, prehash(bytes), key.private);
  const whole = sign(null, Buffer.concat([signature, Buffer.from(trustedComment)]), key.private);
  return [
    `untrusted comment: signature from Kiln, key ${keyName(key.public.id)}`,
    Buffer.concat([Buffer.from('ED'), key.public.id, signature]).toString('base64'),
    `trusted comment: ${trustedComment}`,
    whole.toString('base64'),
    '',
  ].join('\n');
}

/** Checks a `.minisig` text against the bytes and the keys that are trusted. */
export function checkSignatureText(
  bytes: Uint8Array,
  text: string,
  trusted: readonly PublicKey[],
): SignatureVerdict {
  const [untrusted = '', line = '', comment = '', last = ''] = text.split('\n');
  const record = Buffer.from(line, 'base64');
  const whole = Buffer.from(last, 'base64');
  const prefix = 'trusted comment: ';
  if (!untrusted.startsWith('untrusted comment: ') || record.length !== 74 || whole.length !== 64) {
    return { status: 'bad', reason: 'it is no minisign signature' };
  }
  if (record.toString('latin1', 0, 2) !== 'ED' || !comment.startsWith(prefix)) {
    return { status: 'bad', reason: 'it is no prehashed (ED) minisign signature' };
  }
  const id = record.subarray(2, 10);
  const signature = record.subarray(10);
  const known = trusted.find((one) => one.id.equals(id));
  if (known === undefined) return { status: 'unknown-key', keyId: keyName(id) };
  const key = publicKeyObject(known);
  const trustedComment = comment.slice(prefix.length);
  if (!verify(null, prehash(bytes), key, signature)) {
    return { status: 'bad', reason: 'it is not of these bytes' };
  }
  if (!verify(null, Buffer.concat([signature, Buffer.from(trustedComment)]), key, whole)) {
    return { status: 'bad', reason: 'its trusted comment was changed' };
  }
  return { status: 'good', comment: trustedComment };
}

function prehash(bytes: Uint8Array): Buffer {
  return createHash('blake2b512').update(bytes).digest();
}

function publicKeyObject({ key }: PublicKey): KeyObject {
  return createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') },
    format: 'jwk',
  });
}
