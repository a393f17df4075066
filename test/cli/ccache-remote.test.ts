import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, startRedis } from '../queue/redisServer.ts';
import { freshDirectory, kiln } from '../support/kiln.ts';
import { writeRecipe } from '../support/recipes.ts';

/** What ccache made of the sample kernel, built in a home of its own. */
async function build(remote: string) {
  const home = freshDirectory('home');
  const recipe = writeRecipe({ more: 'gates: [audit, verify]\n' });
  const ran = await kiln(['build', recipe, '--home', home], { KILN_CCACHE_REMOTE: remote });
  expect(ran.code, ran.stderr).toBe(0);
  const logs = join(home, 'logs/own/a');
  const [log = ''] = readdirSync(logs);
  const [, hits, , shared, misses] =
    /^.*ccache: (\d+) hits( \((\d+) from remote storage\))?, (\d+) misses$/m.exec(
      readFileSync(join(logs, log), 'utf8'),
    ) ?? [];
  return { hits: Number(hits), shared: Number(shared ?? 0), misses: Number(misses), stderr: ran.stderr };
}

describe("ccache's remote storage", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis(['--requirepass', 'secret']);
  });
  afterAll(() => redis.kill());

  it.each([
    ['a directory', () => `file:${join(freshDirectory('shared'), 'ccache')}`],
    ['Redis, which steps in the sandbox reach by Kiln alone', () => `redis://secret@127.0.0.1:${redis.port}`],
  ])('has for another home what one has compiled: %s', async (_, remote) => {
    const url = remote();
    const first = await build(url);
    expect(first.hits).toBe(0);
    expect(first.misses).toBeGreaterThan(10);
    const second = await build(url);
    expect(second).toMatchObject({ hits: first.misses, shared: first.misses, misses: 0 });
    expect(first.stderr + second.stderr).not.toMatch(/warning|secret/);
  });

  it('does no harm where it can not be reached: one warning, without its password', async () => {
    const { misses, stderr } = await build('redis://me:hidden@127.0.0.1:1');
    expect(misses).toBeGreaterThan(10);
    expect(stderr.match(/warning.*/g)).toEqual([
      expect.stringMatching(
        /ccache's remote storage redis:\/\/\*\*\*@127\.0\.0\.1:1 is left out, .*ECONNREFUSED/,
      ),
    ]);
    expect(stderr).not.toMatch(/hidden/);
  });

  it('is refused when it is no URL: exit 2', async () => {
    const ran = await kiln(['build', 'sample:ne2k', '--home', freshDirectory('home')], {
      KILN_CCACHE_REMOTE: '/srv/ccache',
    });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(
      /ccache-remote: "\/srv\/ccache" is no storage of ccache's[\s\S]*file:\/srv\/ccache/,
    );
  });

  it('is shown of a job without its password', async () => {
    const home = freshDirectory('home');
    await kiln(['queue', 'add', 'sample:ne2k', '--home', home], {
      KILN_CCACHE_REMOTE: 'redis://me:hidden@h',
    });
    const { jobs } = JSON.parse((await kiln(['queue', 'list', '--json', '--home', home])).stdout);
    const shown = await kiln(['queue', 'show', jobs[0].id, '--json', '--home', home]);
    expect(shown.stdout).toMatch(/redis:\/\/\*\*\*@h/);
    expect(shown.stdout).not.toMatch(/hidden/);
  });

  it('is shown among the settings without its password or token', async () => {
    const env = { KILN_CCACHE_REMOTE: 'redis://me:hidden@h http://h/x|bearer-token=hidden|read-only' };
    const shown = await kiln(['config', '--home', freshDirectory('home')], env);
    expect(shown.stdout).toMatch(
      /^ccache-remote: redis:\/\/\*\*\*@h http:\/\/h\/x\|bearer-token=\*\*\*\|read-only$/m,
    );
  });
});
