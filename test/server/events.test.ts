import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { request } from '../queue/requests.ts';
import { type Served, serveApi } from './serving.ts';

let served: Served;
beforeAll(async () => {
  served = await serveApi();
});
afterAll(() => served.close());

interface Message {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: { readonly job?: string; readonly cursor?: number };
}

/** An event stream. When it is open, whatever happens from then on comes along. */
async function open(path: string, headers: Record<string, string> = {}): Promise<Response> {
  const response = await fetch(`${served.url}/api/v1${path}`, { headers });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return response;
}

/** The messages of an event stream, one after another. */
async function* messages(response: Response): AsyncGenerator<Message, void> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk as Uint8Array);
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      const data = field('data');
      if (data !== undefined) yield { id: field('id'), event: field('event') ?? '', data: JSON.parse(data) };
    }
  }
}

async function take(stream: Response | Promise<Response>, count: number): Promise<Message[]> {
  const taken: Message[] = [];
  for await (const message of messages(await stream)) {
    taken.push(message);
    if (taken.length === count) break;
  }
  return taken;
}

describe('the event stream', () => {
  it('tells what happens from now on, to every job', async () => {
    served.ledger.submit([request('before')]);
    const stream = await open(`/events?after=${served.ledger.cursor}`);
    const [, second] = served.ledger.submit([request('one'), request('two')]);
    served.ledger.cancel(second?.job.id ?? '', 'why not');
    const told = await take(stream, 3);
    expect(told.map(({ event }) => event)).toEqual(['submitted', 'submitted', 'settled']);
    expect(told[2]?.data).toMatchObject({ job: second?.job.id, news: { why: 'why not' } });
  });

  it('goes on where it was cut off, and misses nothing', async () => {
    const start = served.ledger.cursor;
    const ids = Array.from({ length: 30 }, (_, index) => `many-${index}`);
    served.ledger.submit(ids.map((id) => request(id)));
    const first = await take(open(`/events?after=${start}`), 10);
    const rest = await take(open('/events', { 'last-event-id': first.at(-1)?.id ?? '' }), 20);
    const cursors = [...first, ...rest].map(({ data }) => data.cursor);
    expect(cursors).toEqual(Array.from({ length: 30 }, (_, index) => start + 1 + index));
  });

  it('tells all of a record that was begun anew to who has heard of more than there is in it', async () => {
    const { news } = served.ledger.events(0, 1)[0] ?? { news: { type: 'none' } };
    const [first] = await take(open('/events', { 'Last-Event-ID': '999999999' }), 1);
    expect(first).toMatchObject({ id: '1', event: news.type });
  });

  it('of one job tells that job alone, from its beginning', async () => {
    const [one] = served.ledger.submit([request('this'), request('that')]);
    const id = one?.job.id ?? '';
    served.ledger.prioritise(id, 5);
    const told = await take(open(`/jobs/${id}/events`), 2);
    expect(told.map(({ event, data }) => [event, data.job])).toEqual([
      ['submitted', id],
      ['prioritised', id],
    ]);
  });

  it('loses nothing for who takes it slowly, and holds nobody else up', async () => {
    const start = served.ledger.cursor;
    const { port } = new URL(served.url);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(`GET /api/v1/events?after=${start} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    // It is answered; from here on nobody reads.
    await once(socket, 'readable');
    const long = 'x'.repeat(300_000);
    for (let index = 0; index < 30; index += 1) {
      const [one] = served.ledger.submit([request(`slow-${index}`)]);
      served.ledger.cancel(one?.job.id ?? '', `${index} ${long}`);
    }
    served.ledger.pause();
    served.ledger.resume();
    // Somebody else is told of all of it meanwhile.
    const other = await take(open(`/events?after=${start}`), 62);
    expect(other.map(({ event }) => event).slice(-2)).toEqual(['paused', 'resumed']);
    let text = '';
    for await (const chunk of socket) {
      text += String(chunk);
      if (text.slice(-500).includes('event: resumed\n')) break;
    }
    const cursors = [...text.matchAll(/^id: (\d+)$/gm)].map(([, cursor]) => Number(cursor));
    expect(cursors).toEqual(Array.from({ length: 62 }, (_, index) => start + 1 + index));
  });

  it('tells how far a step is by the newest word of it alone', async () => {
    const [one] = served.ledger.submit([request('progress')]);
    const job = served.ledger.job(one?.job.id ?? '');
    const stream = await open(`/events?after=${served.ledger.cursor}`);
    for (let count = 1; count <= 50; count += 1) {
      for (const variant of ['a:a', 'a:b']) {
        served.hub.progress(job, { type: 'progress', variant, step: 'compile', text: `${count} files` });
      }
    }
    expect((await take(stream, 2)).map(({ event, data }) => [event, data])).toMatchObject([
      ['progress', { job: job.id, variant: 'a:a', text: '50 files' }],
      ['progress', { job: job.id, variant: 'a:b', text: '50 files' }],
    ]);
  });

  it('tells that a channel has changed, whoever changed it', async () => {
    const stream = await open('/events');
    mkdirSync(join(served.home.channels, 'lts/new'), { recursive: true });
    expect((await take(stream, 1))[0]).toMatchObject({ event: 'channels', id: undefined });
  });

  it('gives its place back when nobody listens any more', async () => {
    await take(open('/events?after=0'), 1);
    while (served.streams.open > 0) await new Promise(setImmediate);
    expect(served.streams.open).toBe(0);
  });
});
