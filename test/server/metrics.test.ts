import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { VariantResult } from '../../src/pipeline/events.ts';
import { Metrics } from '../../src/server/metrics.ts';
import { request } from '../queue/requests.ts';
import { sampleHome } from '../support/kiln.ts';
import { type Served, serveApi } from './serving.ts';

/** The samples of a scrape by name and labels. @throws for a line that is none of the text format */
function scrape(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.trimEnd().split('\n')) {
    if (/^# (HELP|TYPE) [a-z_]+ \S/.test(line)) continue;
    const match = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)+\})?) (\d+(?:\.\d+)?)$/.exec(line);
    if (match === null) throw new Error(`no line of the text format: ${line}`);
    expect(samples.has(match[1] ?? ''), line).toBe(false);
    samples.set(match[1] ?? '', Number(match[2]));
  }
  return samples;
}

describe('metrics', () => {
  it('count what events tell: steps, hits, builds, jobs', () => {
    const metrics = new Metrics();
    const build = (event: Parameters<typeof metrics.take>[0]['news'] & { type: 'build' }) =>
      metrics.take({ cursor: 1, at: 0, job: 'j0123456789', news: event });
    const variant = 'sample:ne2k';
    build({ type: 'build', event: { type: 'step-hit', variant, step: 'tree', detail: '' } });
    for (const seconds of [0.7, 20, 4000]) {
      build({ type: 'build', event: { type: 'step-done', variant, step: 'compile', seconds, detail: '' } });
    }
    const result = { recipe: 'sample', status: 'published', seconds: 30 } as VariantResult;
    build({ type: 'build', event: { type: 'finished', variant, result } });
    metrics.take({ cursor: 2, at: 0, job: 'x', news: { type: 'settled', state: 'failed', why: '' } });
    const samples = scrape(metrics.text([]));
    expect(Object.fromEntries(samples)).toMatchObject({
      'kiln_steps_total{step="tree",outcome="hit"}': 1,
      'kiln_steps_total{step="compile",outcome="done"}': 3,
      'kiln_step_seconds_bucket{step="compile",le="0.5"}': 0,
      'kiln_step_seconds_bucket{step="compile",le="1"}': 1,
      'kiln_step_seconds_bucket{step="compile",le="60"}': 2,
      'kiln_step_seconds_bucket{step="compile",le="+Inf"}': 3,
      'kiln_step_seconds_sum{step="compile"}': 4020.7,
      'kiln_step_seconds_count{step="compile"}': 3,
      'kiln_builds_total{recipe="sample",status="published"}': 1,
      'kiln_jobs_total{state="failed"}': 1,
    });
  });
});

describe('/metrics', () => {
  let served: Served;
  beforeAll(async () => {
    served = await serveApi({ root: await sampleHome() });
  });
  afterAll(() => served.close());

  /** Where Prometheus looks by default; it follows redirections. */
  const look = async () => scrape(await (await fetch(`${served.url}/metrics`)).text());

  it('tell of the queue, of slots, and of flips whoever made them', async () => {
    served.ledger.submit([request('one'), request('two')]);
    const samples = await look();
    expect(samples.get('kiln_queue_jobs{state="waiting"}')).toBe(2);
    expect(samples.get('kiln_slots')).toBe(2);
    expect(samples.get('kiln_channel_flips_total{channel="sample/ne2k"}')).toBe(1);
    expect(samples.get('kiln_channel_generation{channel="sample/ne2k"}')).toBe(1);
    expect(samples.get('kiln_info{version="0.0.0"}')).toBe(1);
  });

  it('tell of every job that ends, in whichever process', async () => {
    const [one] = served.ledger.submit([request('three')]);
    served.ledger.cancel(one?.job.id ?? '', 'not today');
    while ((await look()).get('kiln_jobs_total{state="cancelled"}') !== 1) await new Promise(setImmediate);
  });

  it('tell of requests by route, and of the bytes that were sent, those of a stream that goes on too', async () => {
    await (await fetch(`${served.url}/api/v1/jobs?limit=1`)).text();
    const stream = await fetch(`${served.url}/api/v1/events`);
    await stream.body?.getReader().read();
    const samples = await look();
    expect(samples.get('kiln_http_requests_total{method="GET",route="/api/v1/jobs",status="200"}')).toBe(1);
    expect(samples.get('kiln_http_sent_bytes_total{route="/api/v1/jobs"}')).toBeGreaterThan(400);
    expect(samples.get('kiln_http_sent_bytes_total{route="/api/v1/events"}')).toBeGreaterThan(0);
    expect(samples.get('kiln_streams_open')).toBe(1);
  });

  it('make no series of what somebody makes up', async () => {
    for (const path of ['/nothing', '/api/v1/nothing', '/page/nothing']) await fetch(`${served.url}${path}`);
    expect([...(await look()).keys()].filter((key) => key.includes('/nothing'))).toEqual([]);
  });
});
