import { mkdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import type { Upstream as Which } from '../../src/watch/look.ts';
import { stateFile } from '../../src/watch/state.ts';
import { watchOn } from '../../src/watch/watcher.ts';
import { makePlace, PATCH, type Place, watched } from './fixture.ts';
import { startUpstream, status } from './upstream.ts';

const stop: AbortController[] = [];
afterEach(() => {
  for (const one of stop.splice(0)) one.abort(new Error('the test is over'));
});

/** A watcher that runs on the real clock, until it is stopped. */
function watching(place: Place, first: Which = 'now') {
  const controller = new AbortController();
  stop.push(controller);
  const ready = Promise.withResolvers<void>();
  const changed = Promise.withResolvers<readonly string[]>();
  const failed = Promise.withResolvers<unknown>();
  const over = watchOn(
    { ...place.context, now: Date.now, signal: controller.signal },
    {
      first,
      secondMs: 0,
      onReport: ({ changes }) => {
        if (changes.length > 0) changed.resolve(changes.flatMap(({ variants }) => variants));
      },
      onError: failed.resolve,
      onReady: ready.resolve,
    },
  ).catch((error: unknown) => error);
  return {
    ready: ready.promise,
    changed: changed.promise,
    failed: failed.promise,
    over,
    stop: () => controller.abort(new Error('enough')),
  };
}

describe('a watcher', () => {
  it('makes one rebuild of a burst of edits, of what they have come to', async () => {
    const place = makePlace({ patches: '[]' });
    const watcher = watching(place);
    await watcher.ready;
    for (let edit = 1; edit <= 50; edit++) place.write('b.config', `# ${edit}\nCONFIG_8139TOO=m\n`);
    expect(await watcher.changed).toEqual(['b']);
    watcher.stop();
    await watcher.over;
    expect(place.jobs()).toMatchObject([{ variants: ['b'], state: 'waiting' }]);
    // What was seen is the last edit: another look finds nothing more.
    expect((await place.look()).changes).toEqual([]);
    expect(readFileSync(stateFile(place.context.home), 'utf8')).toContain('b.config');
  });

  it('sees an edit while a server keeps its answer to itself', async () => {
    const upstream = await startUpstream();
    upstream.files.set('fix-1.patch', PATCH);
    const asked = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    upstream.script.set('/', [
      (request, response) => {
        asked.resolve();
        void release.promise.then(() => status(503)(request, response));
      },
    ]);
    const place = makePlace({ patches: watched(upstream.url) });
    const patient = {
      ...place,
      context: { ...place.context, patience: { stallMs: 60_000, totalMs: 60_000 } },
    };
    const watcher = watching(patient, 'none');
    await Promise.all([watcher.ready, asked.promise]);
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    expect(await watcher.changed).toEqual(['b']);
    release.resolve();
    watcher.stop();
    await watcher.over;
    await upstream.close();
  });

  it('ends with the reason that it was told to stop for', async () => {
    const watcher = watching(makePlace({ patches: '[]' }));
    await watcher.ready;
    watcher.stop();
    expect(await watcher.over).toEqual(new Error('enough'));
  });

  it('goes on after a look that could not be done', async () => {
    const place = makePlace({ patches: '[]' });
    mkdirSync(stateFile(place.context.home), { recursive: true });
    const watcher = watching(place);
    expect(await watcher.failed).toMatchObject({ code: 'EISDIR' });
    watcher.stop();
    expect(await watcher.over).toEqual(new Error('enough'));
  });
});
