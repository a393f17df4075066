import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { nowIso } from '../platform/clock.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { lockSoon } from '../platform/lock.ts';

/** What a token is good for; each role may do what those before it may. */
export const ROLES = ['viewer', 'builder', 'publisher'] as const;
export type Role = (typeof ROLES)[number];

/** A token as the home keeps it: its secret's digest alone. */
export interface TokenRecord {
  /** Eight hexadecimal digits, by which it is listed and revoked. */
  readonly id: string;
  /** Who has it: what histories say of changes made with it. */
  readonly name: string;
  readonly role: Role;
  /** Of the whole token, which has 256 random bits: nothing that could be guessed from it. */
  readonly sha256: string;
  readonly since: string;
}

interface TokenFile {
  readonly format: 'kiln-tokens/1';
  readonly tokens: readonly TokenRecord[];
}

function tokenFile(home: Home): string {
  return join(home.root, 'tokens.json');
}

/** Every token, oldest first. @throws KilnError `integrity` when the file is damaged */
export async function readTokens(home: Home): Promise<readonly TokenRecord[]> {
  const file = tokenFile(home);
  const text = await readTextIfAny(file);
  if (text === undefined) return [];
  try {
    const { format, tokens } = JSON.parse(text) as TokenFile;
    if (format === 'kiln-tokens/1' && Array.isArray(tokens)) return tokens;
  } catch {
    // Told below, as any other text that is no list.
  }
  throw new KilnError('integrity', 'the list of tokens is damaged', {
    place: { file },
    hint: 'remove it and add the tokens again: nobody can change anything until then',
  });
}

/** Adds a token. @returns its text, which is kept nowhere, beside what is kept */
export async function addToken(
  home: Home,
  name: string,
  role: Role,
): Promise<{ readonly token: string; readonly record: TokenRecord }> {
  const id = randomBytes(4).toString('hex');
  const token = `kiln_${id}_${randomBytes(32).toString('base64url')}`;
  const record: TokenRecord = { id, name, role, sha256: digest(token).toString('hex'), since: nowIso() };
  await changeTokens(home, (tokens) => [...tokens, record]);
  return { token, record };
}

/** Revokes a token, at once. @throws KilnError `usage` when there is none of that id */
export async function revokeToken(home: Home, id: string): Promise<TokenRecord> {
  const removed: TokenRecord[] = [];
  await changeTokens(home, (tokens) => {
    const found = tokens.find((token) => token.id === id);
    if (found === undefined) {
      throw new KilnError('usage', `there is no token ${id}`, { hint: 'kiln token list shows them' });
    }
    removed.push(found);
    return tokens.filter((token) => token !== found);
  });
  return removed[0] as TokenRecord;
}

async function changeTokens(
  home: Home,
  change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[],
): Promise<void> {
  const held = await lockSoon(join(home.locks, 'tokens.lock'), 'kiln token');
  try {
    const file: TokenFile = { format: 'kiln-tokens/1', tokens: change(await readTokens(home)) };
    await writeFileAtomic(tokenFile(home), `${JSON.stringify(file, null, 2)}\n`, 0o600);
  } finally {
    held.release();
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** True when a role may do what another may. */
export function covers(role: Role, wanted: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(wanted);
}

/** Tells who bears a token; the file is read again when it has changed, so that a revoked one counts no more. */
export class TokenBook {
  readonly #home: Home;
  #state = '';
  #tokens: readonly TokenRecord[] = [];

  constructor(home: Home) {
    this.#home = home;
  }

  /** @param header an Authorization header (RFC 6750) */
  async bearer(header: string | undefined): Promise<TokenRecord | undefined> {
    const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    if (token === undefined) return undefined;
    const given = digest(token);
    return (await this.#read()).find(({ sha256 }) => timingSafeEqual(given, Buffer.from(sha256, 'hex')));
  }

  async #read(): Promise<readonly TokenRecord[]> {
    const state = await stateOf(tokenFile(this.#home));
    if (state !== this.#state) {
      this.#tokens = await readTokens(this.#home);
      this.#state = state;
    }
    return this.#tokens;
  }
}

async function stateOf(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino} ${mtimeMs} ${size}`;
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
