import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { findBundle } from '../../src/bundle/index.ts';
import { homeAt } from '../../src/platform/home.ts';
import { publishBundle, rollback } from '../../src/publish/index.ts';
import { EmbeddedHand } from '../../src/queue/embedded.ts';
import { Courier, type Persistence } from '../../src/server/notices/courier.ts';
import { addHook, NOTICES, removeHook } from '../../src/server/notices/hooks.ts';
import { letterOf, mailOf, type Notice } from '../../src/server/notices/notice.ts';
import { overfill } from '../queue/overfill.ts';
import { request, result } from '../queue/requests.ts';
import { freshDirectory, kiln, sampleHome } from '../support/kiln.ts';
import { type Served, serveApi } from './serving.ts';

interface Message {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Somebody who is told; answers what it is set to. */
async function receiver() {
  const got: Message[] = [];
  const waiting: (() => void)[] = [];
  const state = { answer: 204 };
  const server = createServer(async (request, response) => {
    got.push({ headers: request.headers, body: await text(request) });
    response.writeHead(state.answer).end();
    for (const wake of waiting.splice(0)) wake();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/kiln`,
    state,
    got,
    async until(count: number): Promise<readonly Message[]> {
      while (got.length < count) await new Promise<void>((done) => waiting.push(done));
      return got;
    },
    close: () => server.close(),
  };
}

type Receiver = Awaited<ReturnType<typeof receiver>>;

const SOON: Partial<Persistence> = { firstMs: 1, longestMs: 20 };

/** A courier at work, until it is stopped. */
function start(served: Served, changes: { persistence?: Partial<Persistence>; sendmail?: string } = {}) {
  const stop = new AbortController();
  const { home, ledger, hub, metrics } = served;
  const log = () => undefined;
  const running = new Courier({ home, ledger, hub, metrics, log, persistence: SOON, ...changes }).run(
    stop.signal,
  );
  return {
    async stop() {
      stop.abort();
      await running;
    },
  };
}

/** A job of the sample that fails. */
async function failOne({ ledger }: Served, key: string): Promise<string> {
  const [submitted] = ledger.submit([request('sample', { key, variants: ['ne2k'] })]);
  const hand = new EmbeddedHand(ledger);
  const [lease] = await hand.take(1);
  if (lease === undefined) throw new Error('nothing to take');
  const error = { kind: 'failed', message: 'make failed', hint: 'look at it', lines: ['x.c:1: error: no'] };
  const failed = result('failed', { recipe: 'sample', variant: 'ne2k', error });
  await hand.settle(lease, { type: 'permanent', why: 'sample:ne2k: make failed', results: [failed] });
  return submitted?.job.id ?? '';
}

/** Until a webhook has its place in what happens: it is told of what comes after that. */
async function settled({ ledger }: Served, id: string): Promise<void> {
  while (ledger.fact(`webhook ${id}`) === undefined) await new Promise(setImmediate);
}

describe('a webhook', () => {
  let served: Served;
  let somebody: Receiver;
  beforeEach(async () => {
    served = await serveApi();
    somebody = await receiver();
  });
  afterEach(async () => {
    somebody.close();
    await served.close();
  });

  it('is told when there is room in the record again, and ends no server as long as there is none', async () => {
    const hook = await addHook(served.home, somebody.url, NOTICES, '');
    const { ledger } = served;
    const write = ledger.setFact.bind(ledger);
    let tries = 0;
    ledger.setFact = (name, value) => {
      if (name === `webhook ${hook.id}` && tries++ === 0) overfill();
      write(name, value);
    };
    const courier = start(served);
    await settled(served, hook.id);
    await failOne(served, 'one');
    await somebody.until(1);
    await courier.stop();
    expect(tries).toBeGreaterThan(1);
  });

  it('is told of a job that failed, in words and signed with its secret', async () => {
    const hook = await addHook(served.home, somebody.url, NOTICES, 'https://kiln.example.org/');
    const courier = start(served);
    await settled(served, hook.id);
    const job = await failOne(served, 'one');
    const [message] = await somebody.until(1);
    const { headers, body } = message as Message;
    expect(JSON.parse(body)).toMatchObject({
      type: 'job.failed',
      data: { job, recipe: 'sample', variants: [{ variant: 'ne2k', message: 'make failed' }] },
      text: {
        subject: 'Kiln: sample (ne2k) failed',
        body: expect.stringMatching(
          /x\.c:1: error: no[\s\S]*look at it[\s\S]*https:\/\/kiln\.example\.org\/#\/jobs\/j/,
        ),
      },
    });
    const key = Buffer.from(hook.secret.slice('whsec_'.length), 'base64');
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    expect(headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
    );
    await courier.stop();
  });

  it('that can not take it is told again, under the same id, before anything else', async () => {
    const hook = await addHook(served.home, somebody.url, NOTICES, '');
    const courier = start(served);
    await settled(served, hook.id);
    somebody.state.answer = 503;
    const first = await failOne(served, 'one');
    await somebody.until(3);
    const second = await failOne(served, 'two');
    somebody.state.answer = 204;
    const all = await somebody.until(somebody.got.length + 2);
    const told = all.map(({ headers, body }) => `${headers['webhook-id']} ${JSON.parse(body).data.job}`);
    expect(new Set(told).size).toBe(2);
    expect(told.at(-1)).toContain(second);
    expect(told.slice(0, -1).every((one) => one === told[0] && one.endsWith(first))).toBe(true);
    await courier.stop();
  });

  it('is told after a restart what it could not be told before, and nothing twice', async () => {
    const hook = await addHook(served.home, somebody.url, NOTICES, '');
    const before = start(served);
    await settled(served, hook.id);
    const told = await failOne(served, 'told');
    await somebody.until(1);
    somebody.state.answer = 500;
    const untold = await failOne(served, 'untold');
    await somebody.until(3);
    await before.stop();
    const meanwhile = await failOne(served, 'meanwhile');
    const { length } = somebody.got;
    somebody.state.answer = 200;
    const after = start(served);
    const all = await somebody.until(length + 2);
    expect(all.slice(length).map(({ body }) => JSON.parse(body).data.job)).toEqual([untold, meanwhile]);
    expect(all.filter(({ body }) => JSON.parse(body).data.job === told)).toHaveLength(1);
    await after.stop();
  });

  it('that takes nothing for too long is given up, and the next notice has its turn', async () => {
    const hook = await addHook(served.home, somebody.url, NOTICES, '');
    const courier = start(served, { persistence: { ...SOON, giveUpMs: 0 } });
    await settled(served, hook.id);
    somebody.state.answer = 404;
    const jobs = [await failOne(served, 'one'), await failOne(served, 'two')];
    const all = await somebody.until(2);
    expect(all.map(({ body }) => JSON.parse(body).data.job)).toEqual(jobs);
    const given = 'kiln_webhook_messages_total{outcome="given up"} 2';
    while (!served.metrics.text([]).includes(given)) await new Promise(setImmediate);
    await courier.stop();
  });

  it('is told of nothing that happened before it was added, nor after it was removed', async () => {
    await failOne(served, 'before');
    const other = await receiver();
    const courier = start(served);
    const removed = await addHook(served.home, somebody.url, NOTICES, '');
    const stays = await addHook(served.home, other.url, NOTICES, '');
    await settled(served, removed.id);
    await settled(served, stays.id);
    const job = await failOne(served, 'between');
    await Promise.all([somebody.until(1), other.until(1)]);
    await courier.stop();
    await removeHook(served.home, removed.id);
    const again = start(served);
    await failOne(served, 'after');
    await other.until(2);
    await again.stop();
    expect(somebody.got.map(({ body }) => JSON.parse(body).data.job)).toEqual([job]);
    other.close();
  });

  it('of mailto: is a letter, which sendmail gets', async () => {
    const directory = freshDirectory('mail');
    const sendmail = join(directory, 'sendmail');
    const letter = join(directory, 'letter');
    writeFileSync(sendmail, `#!/bin/sh\ncat > ${letter}.part\nmv ${letter}.part ${letter}\n`);
    chmodSync(sendmail, 0o755);
    const hook = await addHook(served.home, 'mailto:ops@example.org', ['failed'], '');
    const courier = start(served, { sendmail });
    await settled(served, hook.id);
    await failOne(served, 'one');
    while (!existsSync(letter)) await new Promise(setImmediate);
    const [head, body] = readFileSync(letter, 'utf8').split('\n\n', 2);
    expect(head).toMatch(/^To: ops@example\.org\nSubject: Kiln: sample \(ne2k\) failed\nDate: \w{3}, /);
    expect(body).toContain('sample:ne2k: make failed');
    await courier.stop();
  });
});

describe('a webhook of a home with channels', () => {
  let root: string;
  beforeAll(async () => {
    root = await sampleHome();
  });

  it('is told of what nodes boot from now on, whoever changed it', async () => {
    const served = await serveApi({ root });
    const somebody = await receiver();
    const failures = await receiver();
    const hook = await addHook(served.home, somebody.url, ['published', 'rolled-back'], '');
    await addHook(served.home, failures.url, ['failed'], '');
    const courier = start(served);
    await settled(served, hook.id);
    const { stdout } = await kiln(['bundles', '--json', '--home', root]);
    const { bundles } = JSON.parse(stdout) as { bundles: { id: string; variant: string }[] };
    const id = bundles.find(({ variant }) => variant === 'rtl8139')?.id ?? '';
    const home = homeAt(root);
    const by = { by: 'alice', force: false };
    await publishBundle(home, await findBundle(home, id), 'sample/ne2k', { ...by, reason: 'try it' });
    await rollback(home, 'sample/ne2k', undefined, { ...by, reason: 'it panics' });
    const told = (await somebody.until(2)).map(({ body }) => JSON.parse(body));
    expect(told).toMatchObject([
      {
        type: 'channel.published',
        data: { channel: 'sample/ne2k', from: 1, to: 2, bundle: id, by: 'alice' },
      },
      { type: 'channel.rolled-back', data: { from: 2, to: 1, reason: 'it panics' } },
    ]);
    expect(told[1].text.body).toContain('kiln rollback sample/ne2k --to 2');
    expect(failures.got).toEqual([]);
    await courier.stop();
    await served.close();
    somebody.close();
    failures.close();
  });
});

describe('a letter', () => {
  const notice: Notice = {
    type: 'published',
    at: '2026-01-02T03:04:05.000Z',
    channel: 'lts/stable',
    from: 3,
    to: 4,
    bundle: '2.4.22-om2-0123456789',
    recipe: 'openmosix-2.4.22',
    variant: 'rtl8139',
    by: 'alice',
    reason: 'für die Prüfung\r\nBcc: everybody@example.org',
  };

  it('has no header that somebody made of a reason or a name', () => {
    const failed: Notice = {
      type: 'failed',
      at: notice.at,
      job: 'j0123456789',
      recipe: 'x\nBcc: all@example.org',
      variants: [],
      why: 'no',
    };
    for (const one of [notice, failed]) {
      const mail = mailOf(letterOf(one, ''), 'ops@example.org', 'id', new Date(0), 'host');
      expect(mail.split('\n\n')[0]).not.toMatch(/^Bcc:/m);
    }
  });

  it('has a subject of ASCII, whatever it says, that decodes to what it was', () => {
    const subject = 'Kiln: größer als je — 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字';
    const mail = mailOf({ subject, body: '' }, 'ops@example.org', 'id', new Date(0), 'host');
    const field = /^Subject: ((?:.|\n )*)/m.exec(mail)?.[1] ?? '';
    expect(field).toMatch(/^[\x20-\x7e\n]*$/);
    const words = field.split('\n ').map((word) => /^=\?utf-8\?B\?(.*)\?=$/.exec(word)?.[1] ?? '');
    expect(words.map((word) => Buffer.from(word, 'base64').toString('utf8')).join('')).toBe(subject);
    expect(field.split('\n ').every((word) => word.length <= 75)).toBe(true);
  });

  it('says who did it, why, and what goes back', () => {
    const { subject, body } = letterOf(notice, 'https://kiln.example.org');
    expect(subject).toBe('Kiln: lts/stable points to generation 4, 2.4.22-om2-0123456789');
    expect(body).toContain('By alice: für die Prüfung');
    expect(body).toContain('https://kiln.example.org/#/channels/lts%2Fstable');
    expect(body).toContain('kiln rollback lts/stable --to 3');
  });
});

describe('kiln webhook', () => {
  it("adds, lists, tries and removes; the file is its owner's alone", async () => {
    const home = freshDirectory('home');
    const somebody = await receiver();
    const added = await kiln(['webhook', 'add', somebody.url, '--on', 'failed,published', '--home', home]);
    expect(added.stdout).toMatch(/^whsec_[\w+/]{43}=\n$/);
    expect(statSync(join(home, 'webhooks.json')).mode & 0o777).toBe(0o600);
    const listed = await kiln(['webhook', 'list', '--json', '--home', home]);
    expect(listed.stdout).not.toContain('whsec_');
    const [hook] = (JSON.parse(listed.stdout) as { webhooks: { id: string; on: string[] }[] }).webhooks;
    expect(hook?.on).toEqual(['failed', 'published']);
    expect((await kiln(['webhook', 'test', hook?.id ?? '', '--home', home])).code).toBe(0);
    expect(JSON.parse(somebody.got[0]?.body ?? '')).toMatchObject({ type: 'test' });
    somebody.state.answer = 500;
    expect((await kiln(['webhook', 'test', hook?.id ?? '', '--home', home])).code).toBe(1);
    expect((await kiln(['webhook', 'remove', hook?.id ?? '', '--home', home])).code).toBe(0);
    expect((await kiln(['webhook', 'remove', hook?.id ?? '', '--home', home])).code).toBe(2);
    somebody.close();
  });

  it('takes addresses alone', async () => {
    for (const url of ['file:///etc/passwd', 'mailto:-oQ/tmp@x', 'mailto:a@b,c@d', 'nothing']) {
      const ran = await kiln(['webhook', 'add', url, '--home', freshDirectory('home')]);
      expect([url, ran.code]).toEqual([url, 2]);
    }
  });
});
