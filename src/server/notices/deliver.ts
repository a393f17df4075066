import { hostname } from 'node:os';
import { digestOf } from '../../platform/digest.ts';
import { findCommand } from '../../platform/hosttools.ts';
import { run } from '../../platform/process.ts';
import { type Hook, isLetter, signedHeaders } from './hooks.ts';
import { letterOf, mailOf, messageType, type Notice, subjectOf } from './notice.ts';

export interface Delivery {
  readonly signal: AbortSignal;
  /** How long an answer may take. */
  readonly answerMs: number;
  /** The program that letters are given to; the one on the PATH by default. */
  readonly sendmail?: string | undefined;
}

/**
 * Tells one webhook of one notice, once.
 * @returns what was wrong; undefined when it was taken
 */
export async function deliver(hook: Hook, notice: Notice, delivery: Delivery): Promise<string | undefined> {
  // The same for each try, so that who gets it twice knows it.
  const { type, at } = notice;
  const id = `msg_${digestOf({ hook: hook.id, type, at, subject: subjectOf(notice) }).slice(0, 24)}`;
  try {
    return isLetter(hook) ? await mail(hook, notice, id, delivery) : await post(hook, notice, id, delivery);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    // fetch tells why in the cause.
    return error.cause instanceof Error ? error.cause.message : error.message;
  }
}

async function post(hook: Hook, notice: Notice, id: string, delivery: Delivery): Promise<string | undefined> {
  const { type, at, ...data } = notice;
  const letter = letterOf(notice, hook.link);
  const body = JSON.stringify({ type: messageType(type), timestamp: at, data, text: letter });
  const response = await fetch(hook.url, {
    method: 'POST',
    redirect: 'manual',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'kiln',
      ...signedHeaders(hook.secret, id, Date.now(), body),
    },
    body,
    signal: AbortSignal.any([delivery.signal, AbortSignal.timeout(delivery.answerMs)]),
  });
  await response.body?.cancel();
  return response.ok ? undefined : `it answers ${response.status}`;
}

async function mail(hook: Hook, notice: Notice, id: string, delivery: Delivery): Promise<string | undefined> {
  const sendmail = delivery.sendmail ?? (await findCommand('sendmail'));
  if (sendmail === undefined) return 'there is no sendmail on this machine';
  const to = hook.url.slice('mailto:'.length);
  const input = mailOf(letterOf(notice, hook.link), to, id, new Date(), hostname());
  const ran = await run(sendmail, ['-i', '-t'], {
    input,
    signal: delivery.signal,
    timeoutMs: delivery.answerMs,
  });
  return ran.exitCode === 0 ? undefined : `sendmail: ${ran.tail.at(-1) ?? `exit ${ran.exitCode}`}`;
}
