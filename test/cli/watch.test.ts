import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WatchReport } from '../../src/watch/report.ts';
import type { WatchStatus } from '../../src/watch/status.ts';
import { kiln, type Ran, startKiln } from '../support/kiln.ts';
import { MISFIT, makePlace, PATCH, type Place, reworded, watched } from '../watch/fixture.ts';
import { startUpstream, type Upstream } from '../watch/upstream.ts';

let upstream: Upstream;
let place: Place;
let home: string;
let server: ReturnType<typeof startKiln>;
let stderr = '';
const heard: { expression: RegExp; resolve: (line: string) => void }[] = [];

beforeAll(async () => {
  upstream = await startUpstream();
  upstream.files.set('fix-1.patch', PATCH);
  place = makePlace({ patches: watched(upstream.url), more: 'watch: { policy: testing }\n' });
  home = join(place.directory, 'home');
  server = startKiln(['serve', '--listen', '127.0.0.1:0', '--home', home], { KILN_WATCH: place.recipe });
  createInterface({ input: server.stderr }).on('line', (line) => {
    stderr += `${line}\n`;
    for (const { expression, resolve } of heard) if (expression.test(line)) resolve(line);
  });
  await says(/serving/);
});
afterAll(async () => {
  server.kill('SIGTERM');
  if (server.exitCode === null) await once(server, 'exit');
  await upstream.close();
});

/** The line of the server's that has a text, when it comes. */
function says(expression: RegExp): Promise<string> {
  const line = stderr.split('\n').find((one) => expression.test(one));
  if (line !== undefined) return Promise.resolve(line);
  return new Promise((resolve) => heard.push({ expression, resolve }));
}

async function look(): Promise<{ ran: Ran; report: WatchReport }> {
  const ran = await kiln(['watch', '--once', '--json', '--home', home, place.recipe]);
  return { ran, report: JSON.parse(ran.stdout) as WatchReport };
}

async function generations(): Promise<Record<string, number>> {
  const { stdout } = await kiln(['channels', '--json', '--home', home]);
  const { channels } = JSON.parse(stdout) as { channels: { name: string; generation: number }[] };
  return Object.fromEntries(channels.map(({ name, generation }) => [name, generation]));
}

describe('kiln watch beside kiln serve', () => {
  it('finds nothing where nothing is newer', async () => {
    const { ran, report } = await look();
    expect(ran.code).toBe(0);
    expect(report).toMatchObject({ sources: [{ status: 'current' }], changes: [], problems: [] });
  });

  it('has a newer patch built and published to testing, and nowhere else', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    const { ran, report } = await look();
    expect(ran.code).toBe(0);
    const [change] = report.changes;
    expect(change).toMatchObject({ variants: ['a', 'b'], policy: 'testing', joined: false });
    await says(new RegExp(`${change?.job}.*: done`));
    expect(await generations()).toEqual({ 'testing/own/a': 1, 'testing/own/b': 1 });
  });

  it('has the variant built anew whose fragment was edited, by the server itself, and no other', async () => {
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    const line = await says(/watch: j\w+ {2}(queued|joined) .* own:b$/);
    await says(new RegExp(`${/j[0-9a-f]{10}/.exec(line)?.[0]}.*: done`));
    expect(await generations()).toEqual({ 'testing/own/a': 1, 'testing/own/b': 2 });
  });

  it('exits with 1 for a patch that does not apply, with its hunks', async () => {
    upstream.files.set('fix-3.patch', MISFIT);
    const ran = await kiln(['watch', '--once', '--home', home, place.recipe]);
    upstream.files.delete('fix-3.patch');
    expect(ran.code).toBe(1);
    expect(ran.stdout).toMatch(/does not apply: own: fix-1: 3 .*fix-3\n.*Config\.in, hunk 1 of 1/);
  });

  it('exits with 4 for a patch that was re-rolled under its name, and shows it in its status', async () => {
    upstream.files.set('fix-2.patch', reworded('TWO'));
    const { ran, report } = await look();
    expect(ran.code).toBe(4);
    expect(report.changes).toEqual([]);
    const { stdout } = await kiln(['watch', '--status', '--json', '--home', home]);
    expect(JSON.parse(stdout) as WatchStatus).toMatchObject({
      recipes: [
        {
          recipe: 'own',
          sources: [{ source: 'fix-1', status: 'refused' }],
          revision: { number: 1 },
          change: { variants: ['b'] },
        },
      ],
    });
    expect(await generations()).toEqual({ 'testing/own/a': 1, 'testing/own/b': 2 });
  });
});
