import { createHmac, randomBytes } from 'node:crypto';
import { nowIso } from '../../platform/clock.ts';
import { KilnError } from '../../platform/errors.ts';
import type { Home } from '../../platform/home.ts';
import { ListFile } from '../list-file.ts';

/** What a webhook may be told of. */
export const NOTICES = ['failed', 'published', 'rolled-back'] as const;
export type NoticeType = (typeof NOTICES)[number];

/** Who is told, of what, and by which secret it knows that Kiln did. */
export interface Hook {
  /** Eight hexadecimal digits, by which it is listed and removed. */
  readonly id: string;
  /** `http:`, `https:`, or `mailto:` for a letter by sendmail. */
  readonly url: string;
  readonly on: readonly NoticeType[];
  /** `whsec_` and base64 (Standard Webhooks); empty for letters. */
  readonly secret: string;
  /** The address of the page, for links; empty without. */
  readonly link: string;
  readonly since: string;
}

export function hookFile(home: Home): ListFile<Hook> {
  return new ListFile({
    home,
    name: 'webhooks',
    format: 'kiln-webhooks/1',
    hint: 'remove it and add the webhooks again: nobody is told of anything until then',
  });
}

/** Adds a webhook, with a secret of its own. @throws KilnError `usage` for an address that is none */
export async function addHook(
  home: Home,
  url: string,
  on: readonly NoticeType[],
  link: string,
): Promise<Hook> {
  checkAddress(url);
  const id = randomBytes(4).toString('hex');
  const secret = isLetter({ url }) ? '' : `whsec_${randomBytes(32).toString('base64')}`;
  const hook: Hook = { id, url, on, secret, link: link.replace(/\/+$/, ''), since: nowIso() };
  await hookFile(home).change((hooks) => [...hooks, hook]);
  return hook;
}

/** Removes a webhook; what it was not told of yet, it will not be. @throws KilnError `usage` */
export async function removeHook(home: Home, id: string): Promise<Hook> {
  const hook = await findHook(home, id);
  await hookFile(home).change((hooks) => hooks.filter((one) => one.id !== id));
  return hook;
}

/** @throws KilnError `usage` when there is none of that id */
export async function findHook(home: Home, id: string): Promise<Hook> {
  const hook = (await hookFile(home).read()).find((one) => one.id === id);
  if (hook !== undefined) return hook;
  throw new KilnError('usage', `there is no webhook ${id}`, { hint: 'kiln webhook list shows them' });
}

/** True when it is told by mail. */
export function isLetter({ url }: Pick<Hook, 'url'>): boolean {
  return url.startsWith('mailto:');
}

function checkAddress(url: string): void {
  const isMail = /^mailto:[^\s@,?<>-][^\s@,?<>]*@[^\s@,?<>]+$/.test(url);
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (isMail || protocol === 'http:' || protocol === 'https:') return;
  throw new KilnError('usage', `${JSON.stringify(url)} is no address for a webhook`, {
    hint: 'e.g. https://chat.example.org/hooks/kiln or mailto:ops@example.org',
  });
}

/** The headers by which who is told knows that it was Kiln (Standard Webhooks 1.0: HMAC-SHA256). */
export function signedHeaders(
  secret: string,
  id: string,
  timestamp: number,
  body: string,
): Record<string, string> {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const seconds = String(Math.floor(timestamp / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` };
}
