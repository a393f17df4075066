import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makePlace, PATCH, type Place, reworded, watched } from '../watch/fixture.ts';
import { startUpstream, type Upstream } from '../watch/upstream.ts';
import { type Served, serveApi } from './serving.ts';

let upstream: Upstream;
let place: Place;
let served: Served;
beforeAll(async () => {
  upstream = await startUpstream();
  upstream.files.set('fix-1.patch', PATCH);
  upstream.files.set('fix-2.patch', reworded('two'));
  place = makePlace({ patches: watched(upstream.url), policy: 'testing' });
  await place.look();
  served = await serveApi({ root: join(place.directory, 'home') });
});
afterAll(async () => {
  await served.close();
  await upstream.close();
});

async function document(path: string): Promise<unknown> {
  return (await fetch(`${served.url}/api/v1${path}`)).json();
}

describe('the watch state', () => {
  it('is served: what is newer, what was queued for it, when upstream is asked again', async () => {
    expect(await document('/watch')).toEqual({
      watching: true,
      recipes: [
        {
          recipe: 'own',
          looked: '2001-09-09T01:46:40.000Z',
          policy: 'testing',
          sources: [
            {
              source: 'fix-1',
              status: 'newer',
              current: '1',
              newest: '2',
              message: null,
              lines: [],
              looked: '2001-09-09T01:46:40.000Z',
              next: '2001-09-09T02:46:40.000Z',
              failures: 0,
            },
          ],
          fault: null,
          revision: 1,
          change: {
            found: '2001-09-09T01:46:40.000Z',
            variants: ['a', 'b'],
            because: ['patches: fix-1 -> fix-2'],
            job: place.jobs()[0]?.id,
            superseded: [],
          },
        },
      ],
    });
  });

  it('has the revision to review, and no other file', async () => {
    expect(await document('/watch/own/revisions/1')).toMatchObject({
      recipe: 'own',
      number: 1,
      text: expect.stringContaining('name: fix-2'),
      diff: expect.stringContaining('-  - name: fix-1'),
    });
    expect(await document('/watch/own/revisions/2')).toMatchObject({ status: 404 });
    for (const path of [
      '/watch/own/revisions/..',
      '/watch/..%2Fown/revisions/1',
      '/watch/own/revisions/01',
    ]) {
      expect((await fetch(`${served.url}/api/v1${path}`)).status, path).toBeGreaterThanOrEqual(400);
    }
  });
});
