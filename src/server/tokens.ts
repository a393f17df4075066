import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { nowIso } from '../platform/clock.ts';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { ListFile } from './list-file.ts';

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

function tokenFile(home: Home): ListFile<TokenRecord> {
  return new ListFile({
    home,
    name: 'tokens',
    format: 'kiln-tokens/1',
    hint: 'remove it and add the tokens again: nobody can change anything until then',
  });
}

/** Every token, oldest first. @throws KilnError `integrity` when the file is damaged */
export function readTokens(home: Home): Promise<readonly TokenRecord[]> {
  return tokenFile(home).read();
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
  await tokenFile(home).change((tokens) => [...tokens, record]);
  return { token, record };
}

/** Revokes a token, at once. @throws KilnError `usage` when there is none of that id */
export async function revokeToken(home: Home, id: string): Promise<TokenRecord> {
  const removed: TokenRecord[] = [];
  await tokenFile(home).change((tokens) => {
    const found = tokens.find((token) => token.id === id);
    if (found === undefined) {
      throw new KilnError('usage', `there is no token ${id}`, { hint: 'kiln token list shows them' });
    }
    removed.push(found);
    return tokens.filter((token) => token !== found);
  });
  return removed[0] as TokenRecord;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** True when a role may do what another may. */
export function covers(role: Role, wanted: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(wanted);
}

/** Tells who bears a token; one that is revoked counts no more, whoever revoked it. */
export class TokenBook {
  readonly #tokens: ListFile<TokenRecord>;

  constructor(home: Home) {
    this.#tokens = tokenFile(home);
  }

  /** @param header an Authorization header (RFC 6750) */
  async bearer(header: string | undefined): Promise<TokenRecord | undefined> {
    const token = /^Bearer +(\S+)$/i.exec(header ?? '')?.[1];
    if (token === undefined) return undefined;
    const given = digest(token);
    const tokens = await this.#tokens.read();
    return tokens.find(({ sha256 }) => timingSafeEqual(given, Buffer.from(sha256, 'hex')));
  }
}
