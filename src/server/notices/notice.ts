import type { VariantResult } from '../../pipeline/events.ts';
import type { Flip, Generation } from '../../publish/index.ts';
import type { Job } from '../../queue/job.ts';

/** What somebody is told of. Times are of RFC 3339. */
export type Notice = Failure | Flipped | { readonly type: 'test'; readonly at: string };

export interface Failure {
  readonly type: 'failed';
  readonly at: string;
  readonly job: string;
  readonly recipe: string;
  readonly variants: readonly FailedVariant[];
  readonly why: string;
}

export interface Flipped {
  readonly type: 'published' | 'rolled-back';
  readonly at: string;
  readonly channel: string;
  readonly from: number | null;
  readonly to: number;
  readonly bundle: string;
  readonly recipe: string;
  readonly variant: string;
  readonly by: string;
  readonly reason: string;
}

export interface FailedVariant {
  readonly variant: string;
  readonly message: string;
  readonly hint: string | null;
  /** The lines of the log that matter. */
  readonly lines: readonly string[];
}

/** Pure: what a job that failed is told as. */
export function failureNotice(job: Job, at: number, why: string): Notice {
  const failed = job.variants.map((variant) => [variant, job.results[variant]] as const);
  return {
    type: 'failed',
    at: new Date(at).toISOString(),
    job: job.id,
    recipe: job.recipe,
    variants: failed.flatMap(([variant, result]) =>
      result?.error === undefined ? [] : [told(variant, result.error)],
    ),
    why,
  };
}

function told(variant: string, { message, hint, lines }: NonNullable<VariantResult['error']>): FailedVariant {
  return { variant, message, hint: hint ?? null, lines };
}

/** Pure: what a flip of a channel is told as. */
export function flipNotice(channel: string, flip: Flip, { bundle, recipe, variant }: Generation): Notice {
  const { at, from, to, by, reason } = flip;
  const type = from !== null && to < from ? 'rolled-back' : 'published';
  return { type, at, channel, from, to, bundle, recipe, variant, by, reason };
}

/** A notice as people read it. */
export interface Letter {
  readonly subject: string;
  readonly body: string;
}

const WIDTH = 78;

/**
 * Pure: a notice in words: a subject of one line, a body of lines that mail programs leave as they are.
 * @param link the address of the page; empty without
 */
export function letterOf(notice: Notice, link: string): Letter {
  if (notice.type === 'failed') return failureLetter(notice, link);
  if (notice.type !== 'test') return flipLetter(notice, link);
  return { subject: 'Kiln: a test', body: text(['This is how Kiln tells what happens.', `At ${notice.at}`]) };
}

/** The job or the channel that a notice is about. */
export function subjectOf(notice: Notice): string {
  return notice.type === 'failed' ? notice.job : notice.type === 'test' ? '' : notice.channel;
}

function failureLetter(notice: Failure, link: string): Letter {
  const { job, recipe, variants, why, at } = notice;
  const names = variants.map(({ variant }) => variant).join(', ');
  const parts = variants.map(({ variant, message, hint, lines }) =>
    [
      wrap(`${recipe}:${variant}: ${message}`),
      ...(lines.length === 0 ? [] : ['', ...lines.map((line) => `    ${line}`)]),
      ...(hint === null ? [] : ['', wrap(`What to do: ${hint}`)]),
    ].join('\n'),
  );
  const where = link === '' ? [] : [`${link}/#/jobs/${job}`];
  return {
    subject: oneLine(`Kiln: ${recipe}${names === '' ? '' : ` (${names})`} failed`),
    body: text([
      parts.length === 0 ? wrap(`${recipe}: ${why}`) : parts.join('\n\n'),
      'No channel was changed by it: nodes boot what they booted before.',
      [`Job ${job}, ended ${at}`, ...where, `kiln queue show ${job}`, `kiln logs ${job}`].join('\n'),
    ]),
  };
}

function flipLetter(notice: Flipped, link: string): Letter {
  const { type, channel, from, to, bundle, recipe, variant, by, reason, at } = notice;
  const verb = type === 'published' ? 'points to' : 'was rolled back to';
  const where = link === '' ? [] : [`${link}/#/channels/${encodeURIComponent(channel)}`];
  return {
    subject: oneLine(`Kiln: ${channel} ${verb} generation ${to}, ${bundle}`),
    body: text([
      wrap(`${channel} ${verb} generation ${to}: bundle ${bundle} of ${recipe}:${variant}.`),
      wrap(from === null ? 'It is the first.' : `It pointed to generation ${from} before.`),
      wrap(`By ${by}: ${reason}`),
      [
        `At ${at}`,
        ...where,
        `kiln history ${channel}`,
        ...(from === null ? [] : [`kiln rollback ${channel} --to ${from}`]),
      ].join('\n'),
    ]),
  };
}

function text(paragraphs: readonly string[]): string {
  return `${paragraphs.join('\n\n')}\n`;
}

/** A header has one line (RFC 5322, 2.2), whatever a recipe or a reason is made of. */
function oneLine(line: string): string {
  const clean = line.replaceAll(/\p{Cc}+/gu, ' ');
  return clean.length > 200 ? `${clean.slice(0, 199)}…` : clean;
}

function wrap(sentence: string): string {
  const lines: string[] = [];
  for (const word of sentence.split(/\s+/)) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}

/** Pure: a letter as sendmail takes it (RFC 5322, RFC 2047 for what is not ASCII). */
export function mailOf(letter: Letter, to: string, id: string, at: Date, host: string): string {
  const subject = /^[\x20-\x7e]*$/.test(letter.subject) ? letter.subject : encodedWords(letter.subject);
  return [
    `To: ${to}`,
    `Subject: ${subject}`,
    `Date: ${at.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${id}@${host}>`,
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    letter.body,
  ].join('\n');
}

/** Whole characters at a time: an encoded word has 75 bytes at most, and none is cut in two (RFC 2047, 2 and 5). */
function encodedWords(line: string): string {
  const words: string[] = [];
  let part = '';
  for (const character of line) {
    if (Buffer.byteLength(part + character) > 42) {
      words.push(part);
      part = '';
    }
    part += character;
  }
  return [...words, part].map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join('\n ');
}

/** The type of the message that a webhook gets of a notice. */
export function messageType(type: Notice['type']): string {
  if (type === 'test') return type;
  return type === 'failed' ? 'job.failed' : `channel.${type}`;
}
