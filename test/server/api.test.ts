import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf } from '../../src/platform/digest.ts';
import { noteWorkers } from '../../src/queue/workers.ts';
import { Keys } from '../../src/server/api/once.ts';
import { request } from '../queue/requests.ts';
import { sampleHome } from '../support/kiln.ts';
import { type Served, serveApi } from './serving.ts';

let served: Served;
beforeAll(async () => {
  served = await serveApi({ root: await sampleHome() });
});
afterAll(() => served.close());

async function get(path: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${served.url}/api/v1${path}`, { headers });
}

async function document<T>(path: string): Promise<T> {
  const response = await get(path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as T;
}

function send(
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${served.url}/api/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json', authorization: served.bearer.publisher, ...headers },
    body: JSON.stringify(body),
  });
}

interface JobDocument {
  id: string;
  state: string;
  priority: number;
  joined?: boolean;
}

describe('recipes and plans', () => {
  it('are listed with their variants and channels', async () => {
    const { recipes } = await document<{
      recipes: { name: string; variants: { name: string; channel: string }[] }[];
    }>('/recipes');
    expect(recipes.find(({ name }) => name === 'sample')?.variants[0]).toMatchObject({
      name: 'ne2k',
      channel: 'sample/ne2k',
    });
    expect(await document('/recipes/sample')).toMatchObject({ kernel: '2.4.99-sample' });
  });

  it('say what a build would do', async () => {
    const { plans } = await document<{ plans: { variant: string; steps: { status: string }[] }[] }>(
      '/plans?reference=sample%3Ane2k',
    );
    expect(plans).toMatchObject([{ variant: 'ne2k', channel: 'sample/ne2k' }]);
    expect(plans[0]?.steps.every(({ status }) => status === 'hit')).toBe(true);
  });

  it('are never read from a path', async () => {
    for (const path of [
      '/recipes/..%2F..%2Fetc',
      '/recipes/x.yaml',
      '/plans?reference=%2Fetc%2Fpasswd',
      '/plans?reference=x.yaml',
    ]) {
      expect((await get(path)).status, path).toBe(400);
    }
  });
});

describe('jobs', () => {
  it('are queued, joined, steered', async () => {
    const created = await send('POST', '/jobs', { references: ['sample:all'], priority: 2 });
    expect(created.status).toBe(201);
    const [job] = ((await created.json()) as { jobs: JobDocument[] }).jobs;
    expect(job).toMatchObject({ state: 'waiting', priority: 2, joined: false });
    const again = await send('POST', '/jobs', { references: ['sample:all'] });
    expect(await again.json()).toMatchObject({ jobs: [{ id: job?.id, joined: true }] });
    const path = `/jobs/${job?.id}`;
    expect(await (await send('PUT', `${path}/priority`, { priority: 7 })).json()).toMatchObject({
      priority: 7,
    });
    const cancelled = await send('POST', `${path}/cancel`, { reason: 'not today' });
    expect(await cancelled.json()).toMatchObject({ state: 'cancelled', why: 'not today' });
    expect((await send('POST', `${path}/cancel`, {})).status).toBe(400);
    expect(await (await send('POST', `${path}/retry`, undefined)).json()).toMatchObject({ state: 'waiting' });
    await send('POST', `${path}/cancel`, {});
    const { events } = await document<{ events: { news: { type: string } }[] }>(`${path}/history`);
    expect(events.map(({ news }) => news.type)).toEqual(
      expect.arrayContaining(['submitted', 'joined', 'prioritised', 'settled']),
    );
  });

  it('say that no worker is connected that suits them', async () => {
    const { ledger } = served;
    const known = ledger.submit([request('picky', { labels: { arch: 'arm' } })])[0]?.job.id ?? '';
    const waitsFor = async () => (await document<{ waitsFor: string | null }>(`/jobs/${known}`)).waitsFor;
    expect(await waitsFor()).toBe('waits for a worker with arch=arm: none is connected');
    noteWorkers(ledger, [{ worker: 'arm/1', labels: { arch: 'arm' } }]);
    expect(await waitsFor()).toBeNull();
    noteWorkers(ledger, []);
    ledger.cancel(known, 'enough');
    expect(await waitsFor()).toBeNull();
  });

  it('are queued once for an idempotency key, and not for another body under it', async () => {
    const headers = { 'idempotency-key': 'once' };
    const ask = () => send('POST', '/jobs', { references: ['sample:rtl8139'] }, headers);
    const [first] = ((await (await ask()).json()) as { jobs: JobDocument[] }).jobs;
    await send('POST', `/jobs/${first?.id}/cancel`, {});
    const [second] = ((await (await ask()).json()) as { jobs: JobDocument[] }).jobs;
    expect(second).toMatchObject({ id: first?.id, state: 'cancelled' });
    const other = await send('POST', '/jobs', { references: ['sample:ne2k'] }, headers);
    expect(other.status).toBe(422);
  });

  it('come page by page, the newest first', async () => {
    const whole = await document<{ jobs: JobDocument[] }>('/jobs');
    const ids: string[] = [];
    let after: string | null = null;
    do {
      const page: { jobs: JobDocument[]; next: string | null } = await document(
        `/jobs?limit=1${after === null ? '' : `&after=${after}`}`,
      );
      ids.push(...page.jobs.map(({ id }) => id));
      after = page.next;
    } while (after !== null);
    expect(ids).toEqual(whole.jobs.map(({ id }) => id));
    expect(ids.length).toBeGreaterThan(1);
  });

  it('come in the order in which they are run, for who asks for those that are next', async () => {
    const ids = served.ledger
      .submit([request('late'), request('urgent', { priority: 9 }), request('later')])
      .map(({ job }) => job.id);
    const asked = await document<{ jobs: JobDocument[] }>('/jobs?state=waiting&order=next');
    const mine = asked.jobs.map(({ id }) => id).filter((id) => ids.includes(id));
    expect(mine).toEqual([ids[1], ids[0], ids[2]]);
    for (const id of ids) served.ledger.cancel(id, 'by the test');
  });

  it('have logs that are read by ranges of bytes, and followed to their end', async () => {
    const { jobs } = await document<{ jobs: JobDocument[] }>('/jobs?state=done');
    const { logs } = await document<{ logs: { variant: string; bytes: number; finished: boolean }[] }>(
      `/jobs/${jobs[0]?.id}/logs`,
    );
    const [log] = logs;
    expect(log).toMatchObject({ variant: 'ne2k', finished: true });
    const path = `/jobs/${jobs[0]?.id}/logs/ne2k`;
    const whole = await (await get(path)).text();
    expect(Buffer.byteLength(whole)).toBe(log?.bytes);
    const part = await get(path, { range: 'bytes=2-9' });
    expect(part.status).toBe(206);
    expect(part.headers.get('content-range')).toBe(`bytes 2-9/${log?.bytes}`);
    expect(await part.text()).toBe(whole.slice(2, 10));
    expect((await get(path, { range: `bytes=${log?.bytes}-` })).status).toBe(416);
    expect(await (await get(`${path}?follow=1&from=10`)).text()).toBe(whole.slice(10));
  });
});

describe('bundles', () => {
  it('are listed and served, with entity tags', async () => {
    const { bundles } = await document<{
      bundles: { id: string; variant: string; sizes: object; booted: boolean }[];
    }>('/bundles?recipe=sample&variant=ne2k');
    const [bundle] = bundles;
    expect(bundle).toMatchObject({ channels: ['sample/ne2k'], seconds: expect.any(Number) });
    const path = `/bundles/sample/ne2k/${bundle?.id}`;
    const manifest = await document<{ manifest: { files: Record<string, { sha256: string }> } }>(path);
    const file = await get(`${path}/files/vmlinuz`);
    const stored = readFileSync(join(served.home.bundles, 'sample/ne2k', bundle?.id ?? '', 'vmlinuz'));
    expect(Buffer.from(await file.arrayBuffer()).equals(stored)).toBe(true);
    const tag = file.headers.get('etag') ?? '';
    expect(tag).toBe(`"${manifest.manifest.files.vmlinuz?.sha256}"`);
    expect((await get(`${path}/files/vmlinuz`, { 'if-none-match': tag })).status).toBe(304);
  });

  it('are served by their own names alone', async () => {
    const { bundles } = await document<{ bundles: { id: string }[] }>('/bundles?variant=ne2k');
    const id = bundles[0]?.id ?? '';
    for (const path of [
      `/bundles/sample/ne2k/${id}/files/..%2F..%2F..%2F..%2Fstate.db`,
      `/bundles/sample/ne2k/${id}/files/.gates.json`,
      `/bundles/sample/ne2k/..%2Fne2k%2F${id}`,
      `/bundles/..%2Fbundles/ne2k/${id}`,
      '/diff?from=/etc&to=/etc',
      '/diff?from=..%2F..%2F..&to=x',
      '/verify?bundle=..%2F..',
    ]) {
      expect((await get(path)).status, path).toBe(400);
    }
    expect((await get(`/bundles/sample/ne2k/${id}/files/nothing`)).status).toBe(404);
  });

  it('are held against each other and verified', async () => {
    const { bundles } = await document<{ bundles: { id: string }[] }>('/bundles');
    const [one, other] = bundles;
    const diff = await document<{ config: unknown[] }>(`/diff?from=${one?.id}&to=${other?.id}`);
    expect(diff.config.length).toBeGreaterThan(0);
    expect(await document(`/verify?bundle=${one?.id}`)).toMatchObject({
      ok: true,
      bundles: [{ faults: [] }],
    });
    expect(await document('/verify')).toMatchObject({ ok: true, serving: { channels: expect.any(Array) } });
  });
});

describe('channels', () => {
  it('are published to and rolled back, by whoever has the token and for a reason', async () => {
    const { bundles } = await document<{ bundles: { id: string }[] }>('/bundles');
    for (const bundle of bundles.slice(0, 2)) {
      const ran = await send('POST', '/channels/lts%2Ftest/publish', {
        bundle: bundle.id,
        reason: 'to try it',
      });
      expect(ran.status).toBe(200);
    }
    const back = await send('POST', '/channels/lts%2Ftest/rollback', { reason: 'it panics' });
    expect(await back.json()).toMatchObject({ channel: 'lts/test', generation: 1, flipped: true });
    const history = await document<{
      flips: { reason: string; by: string }[];
      generations: { sizes: object }[];
    }>('/channels/lts%2Ftest/history');
    expect(history.flips.at(-1)).toMatchObject({ reason: 'it panics', by: 'publisher', from: 2, to: 1 });
    expect(history.generations.map((one) => one.sizes)).toEqual(
      Array.from({ length: 2 }, () => ({
        vmlinuz: expect.any(Number),
        initrd: expect.any(Number),
        modules: expect.any(Number),
      })),
    );
    expect(await document('/channels/lts%2Ftest')).toMatchObject({ generation: 1, generations: 2 });
  });

  it('are not changed without a reason, and not made by a rollback', async () => {
    expect((await send('POST', '/channels/sample%2Fne2k/rollback', {})).status).toBe(400);
    const problem = await send('POST', '/channels/lts%2Fnothing/rollback', { reason: 'why not' });
    expect(problem.status).toBe(404);
    expect(problem.headers.get('content-type')).toBe('application/problem+json');
  });
});

describe('a channel', () => {
  const generation = async () => (await document<{ generation: number }>('/channels/lts%2Fonce')).generation;

  it('is flipped once for an idempotency key, however often that is asked', async () => {
    const { bundles } = await document<{ bundles: { id: string }[] }>('/bundles');
    for (const [index, bundle] of [...bundles, ...bundles].slice(0, 3).entries()) {
      const body = { bundle: bundle.id, reason: `number ${index + 1}` };
      expect((await send('POST', '/channels/lts%2Fonce/publish', body)).status).toBe(200);
    }
    const before = await generation();
    const headers = { 'idempotency-key': 'back-1' };
    const ask = () => send('POST', '/channels/lts%2Fonce/rollback', { reason: 'it panics' }, headers);
    const first = await (await ask()).json();
    expect(await (await ask()).json()).toEqual(first);
    expect(await generation()).toBe(before - 1);
    const other = await send('POST', '/channels/lts%2Fonce/rollback', { reason: 'again' }, headers);
    expect(other.status).toBe(422);
  });

  it('is not flipped by a request while another one with its key is under way, or was cut off', async () => {
    const key = `${served.bearer.publisher.slice('Bearer kiln_'.length).split('_')[0]} back-2`;
    const path = '/api/v1/channels/lts%2Fonce/rollback';
    const body = digestOf({ path, body: { reason: 'it panics', force: false } });
    void new Keys(served.ledger, 'flips').around(key, body, () => new Promise(() => undefined));
    const before = await generation();
    const headers = { 'idempotency-key': 'back-2' };
    const again = await send('POST', '/channels/lts%2Fonce/rollback', { reason: 'it panics' }, headers);
    expect(again.status).toBe(409);
    expect(await generation()).toBe(before);
  });

  it('gets what another one has, for a reason', async () => {
    const reason = 'a week without a panic';
    const promoted = await send('POST', '/channels/lts%2Fstable/promote', { from: 'sample/ne2k', reason });
    const { bundle } = await document<{ bundle: string }>('/channels/sample%2Fne2k');
    expect(await promoted.json()).toEqual({ channel: 'lts/stable', generation: 1, bundle, flipped: true });
    const again = await send('POST', '/channels/lts%2Fstable/promote', { from: 'sample/ne2k', reason });
    expect(await again.json()).toMatchObject({ generation: 1, flipped: false });
    const { flips } = await document<{ flips: object[] }>('/channels/lts%2Fstable/history');
    expect(flips).toMatchObject([{ reason, by: 'publisher', to: 1 }]);
    const nothing = await send('POST', '/channels/lts%2Fstable/promote', { from: 'lts/nothing', reason });
    expect(nothing.status).toBe(400);
  });

  it('that is pinned stays where it is until it is unpinned, unless it is forced', async () => {
    const pin = () => send('POST', '/channels/lts%2Fonce/pin', { reason: 'exam week' });
    const first = (await (await pin()).json()) as { pin: object };
    expect(first.pin).toMatchObject({ by: 'publisher', reason: 'exam week' });
    expect(await (await pin()).json()).toEqual(first);
    expect(await document('/channels/lts%2Fonce')).toMatchObject({ pin: first.pin });
    const back = (force: boolean) =>
      send('POST', '/channels/lts%2Fonce/rollback', { to: 1, reason: 'it panics', force });
    const held = await back(false);
    expect(held.status).toBe(409);
    expect(await held.json()).toMatchObject({ detail: expect.stringContaining('exam week') });
    expect((await back(true)).status).toBe(200);
    const unpin = () => send('POST', '/channels/lts%2Fonce/unpin', {});
    expect(await (await unpin()).json()).toEqual({ channel: 'lts/once', pinned: first.pin });
    expect(await (await unpin()).json()).toEqual({ channel: 'lts/once', pinned: null });
    expect((await send('POST', '/channels/lts%2Fnothing/pin', { reason: 'why not' })).status).toBe(404);
  });

  it('is followed by the nodes that are told to, until they are not', async () => {
    const follow = () =>
      send('PUT', '/canaries/52:54:00:12:34:56', { channel: 'sample/ne2k', reason: 'to try it' });
    expect(await (await follow()).json()).toMatchObject({ mac: '52-54-00-12-34-56', by: 'publisher' });
    expect((await follow()).status).toBe(200);
    const link = join(served.home.tftp, 'nodes/52-54-00-12-34-56');
    expect(readlinkSync(link)).toBe('../sample/ne2k');
    expect(await document('/canaries')).toMatchObject({
      nodes: [{ mac: '52-54-00-12-34-56', channel: 'sample/ne2k', reason: 'to try it' }],
    });
    const leave = () => send('DELETE', '/canaries/52-54-00-12-34-56', undefined);
    expect((await leave()).status).toBe(200);
    expect(existsSync(link)).toBe(false);
    expect(await document('/canaries')).toEqual({ nodes: [] });
    expect((await leave()).status).toBe(404);
    const unknown = { channel: 'lts/nothing', reason: 'why not' };
    expect((await send('PUT', '/canaries/52-54-00-12-34-56', unknown)).status).toBe(400);
    expect((await send('PUT', '/canaries/52-54-00', unknown)).status).toBe(400);
  });
});

describe('errors', () => {
  it('are problem details with the codes of the command line', async () => {
    const response = await send('POST', '/jobs', { references: ['nothing'] });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      type: 'urn:kiln:usage',
      kind: 'usage',
      exit: 2,
      detail: 'there is no recipe nothing',
      hint: expect.stringContaining('recipes are '),
    });
  });
});

describe('a method', () => {
  it('that a path does not take is told with those that it does', async () => {
    for (const [method, path, allow] of [
      ['DELETE', '/jobs', 'GET, POST, HEAD'],
      ['GET', '/jobs/j0123456789/cancel', 'POST'],
      ['POST', '/canaries/52-54-00-12-34-56', 'PUT, DELETE'],
    ] as const) {
      const answer = await fetch(`${served.url}/api/v1${path}`, { method });
      expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow]);
    }
    expect((await get('/nothing')).status).toBe(404);
  });
});

describe('lists', () => {
  it('have entity tags: nothing is sent again that has not changed', async () => {
    const first = await get('/channels');
    const again = await get('/channels', { 'if-none-match': first.headers.get('etag') ?? '' });
    expect(again.status).toBe(304);
  });
});
