import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Ledger } from '../../src/queue/ledger.ts';
import { lookOnce } from '../../src/watch/pass.ts';
import { exitCodeOf, type WatchReport } from '../../src/watch/report.ts';
import { watchStatus } from '../../src/watch/status.ts';
import { MISFIT, makePlace, PATCH, type Place, reworded, SAY_MORE, watched } from './fixture.ts';
import { type Answer, body, page, startUpstream, status, type Upstream } from './upstream.ts';

let upstream: Upstream;
let place: Place;
beforeEach(async () => {
  upstream = await startUpstream();
  upstream.files.set('fix-1.patch', PATCH);
  place = makePlace({ patches: watched(upstream.url) });
});
afterEach(() => upstream.close());

const HOUR = 3_600_000;

function states(report: WatchReport): (string | null)[][] {
  return report.sources.map(({ source, status: state, newest }) => [source, state, newest]);
}

function variants(report: WatchReport): string[][] {
  return report.changes.map((change) => [...change.variants]);
}

describe('upstream', () => {
  it('that has nothing newer queues nothing, and is asked with conditions from then on', async () => {
    expect(states(await place.look())).toEqual([['fix-1', 'current', '1']]);
    expect(states(await place.look())).toEqual([['fix-1', 'current', '1']]);
    expect(upstream.requests.map(({ path, conditional, status: code }) => [path, conditional, code])).toEqual(
      [
        ['/', false, 200],
        ['/', true, 304],
      ],
    );
    expect(upstream.requests.every(({ userAgent }) => userAgent.startsWith('kiln'))).toBe(true);
    expect(place.jobs()).toEqual([]);
  });

  it('that has newer ones: the newest makes a revision, and the variants are queued once', async () => {
    await place.look();
    upstream.files.set('fix-9.patch', reworded('nine'));
    upstream.files.set('fix-10.patch', reworded('ten'));
    const report = await place.look();
    expect(states(report)).toEqual([['fix-1', 'newer', '10']]);
    expect(report.changes).toMatchObject([
      { variants: ['a', 'b'], because: ['patches: fix-1 -> fix-10'], policy: 'build', joined: false },
    ]);
    const [change] = report.changes;
    const [job] = place.jobs();
    expect(job).toMatchObject({
      id: change?.job,
      recipe: 'own',
      variants: ['a', 'b'],
      spec: { publish: false },
    });
    expect(readFileSync(change?.reference ?? '', 'utf8')).toContain('name: fix-10');
    expect(variants(await place.look())).toEqual([]);
    expect(place.jobs()).toHaveLength(1);
    // The diff is what the recipe's owner would apply.
    const directory = join(place.directory, 'r');
    execFileSync('patch', ['-s', '-p1', '-d', directory, '-i', change?.diff ?? '']);
    expect(readFileSync(place.recipe, 'utf8')).toContain('fix-10.patch');
    // And with that, nothing is other than it was.
    expect(variants(await place.look())).toEqual([]);
  });

  it('that is newer at the first look is queued as well', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    expect(variants(await place.look())).toEqual([['a', 'b']]);
  });

  it('that does not apply is reported with the verdict, and nothing is queued; nor is it fetched again', async () => {
    upstream.files.set('fix-2.patch', MISFIT);
    for (const _ of [1, 2]) {
      const report = await place.look();
      expect(states(report)).toEqual([['fix-1', 'does-not-apply', '2']]);
      expect(report.sources[0]?.lines.join('\n')).toContain('drivers/net/Config.in');
      expect(exitCodeOf(report)).toBe(1);
    }
    expect(place.jobs()).toEqual([]);
    expect(upstream.requests.filter(({ path }) => path === '/fix-2.patch')).toHaveLength(1);
    expect(readdirSync(join(place.directory, 'home/revisions/own'))).toEqual([]);
  });

  it('that does not apply keeps nobody from building what was edited here', async () => {
    await place.look();
    upstream.files.set('fix-2.patch', MISFIT);
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    const report = await place.look();
    expect(states(report)).toEqual([['fix-1', 'does-not-apply', '2']]);
    expect(variants(report)).toEqual([['b']]);
  });

  it('of which one newer patch does not apply keeps nobody from the others, nor from newer ones of them', async () => {
    upstream.files.set('say-1.patch', SAY_MORE);
    const two = makePlace({
      patches: `${watched(upstream.url)}${watched(upstream.url).replaceAll('fix-', 'say-')}`,
    });
    await two.look();
    upstream.files.set('say-2.patch', MISFIT);
    upstream.files.set('fix-2.patch', reworded('two'));
    const report = await two.look();
    expect(states(report)).toEqual([
      ['fix-1', 'newer', '2'],
      ['say-1', 'does-not-apply', '2'],
    ]);
    expect(report.changes).toMatchObject([{ because: ['patches: fix-1 -> fix-2'] }]);
    upstream.files.set('fix-3.patch', reworded('three'));
    const later = await two.look();
    expect(states(later)).toEqual([
      ['fix-1', 'newer', '3'],
      ['say-1', 'does-not-apply', '2'],
    ]);
    expect(readFileSync(later.changes[0]?.reference ?? '', 'utf8')).toMatch(/fix-3[\s\S]*say-1/);
    expect(readdirSync(join(two.directory, 'home/revisions/own'))).toEqual(['1', '2']);
  });

  it('that rolls a patch anew under the same name is refused as a digest change', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    await place.look();
    upstream.files.set('fix-2.patch', reworded('TWO'));
    const report = await place.look();
    expect(states(report)).toEqual([['fix-1', 'refused', null]]);
    expect(report.sources[0]?.message).toMatch(/fix-2\.patch has other bytes under the same name: sha256 is/);
    expect(exitCodeOf(report)).toBe(4);
    expect(place.jobs()).toHaveLength(1);
  });

  it('is refused the same way when the lock has the digest', async () => {
    place.write(
      'own.lock.yaml',
      `sources:\n  fix-1: {file: fix-1.patch, size: ${PATCH.length}, sha256: ${'f'.repeat(64)}}\n`,
    );
    const report = await place.look();
    expect(states(report)).toEqual([['fix-1', 'refused', null]]);
    expect(exitCodeOf(report)).toBe(4);
  });

  it('whose file is a web page now has no other bytes: it is gone', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    await place.look();
    upstream.script.set('/fix-2.patch', [body('<html>gone</html>', { 'content-type': 'text/html' })]);
    expect(states(await place.look())).toEqual([['fix-1', 'unreachable', null]]);
  });

  it.each([
    ['answers 500', status(500)],
    [
      'cuts its listing off',
      (
        _: unknown,
        response: {
          writeHead: (...args: [number, object]) => unknown;
          write: (...args: [string, () => void]) => unknown;
          destroy: () => void;
        },
      ) => {
        response.writeHead(200, { 'content-length': 5000 });
        response.write('<html><a href="fix-2.patch">', () => response.destroy());
      },
    ],
    [
      'never ends',
      (
        _: unknown,
        response: { writeHead: (...args: [number, object]) => unknown; write: (text: string) => unknown },
      ) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.write('<html><a href="fix-2.patch">2</a>');
      },
    ],
    ['lists 10 MB', body(page(Array.from({ length: 250_000 }, (_, at) => `fix-${at}.patch`)))],
    [
      'redirects for ever',
      (_: unknown, response: { writeHead: (...args: [number, object]) => { end: () => void } }) =>
        response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    ],
  ] as const)(
    'that %s is said, changes nothing, and is left alone for longer each time',
    async (what, answer) => {
      await place.look();
      place.clock.now += 2 * HOUR;
      upstream.script.set('/', [answer as never]);
      // In this look alone: a server that answers may be slow where the machine is busy.
      const hurry = what === 'never ends' ? { stallMs: 500, totalMs: 1000 } : undefined;
      const failed = await place.look('due', hurry);
      expect(states(failed)).toEqual([['fix-1', 'unreachable', null]]);
      expect(exitCodeOf(failed)).toBe(0);
      const asked = upstream.requests.length;
      place.clock.now += 60_000;
      expect(states(await place.look('due'))).toEqual([['fix-1', 'waiting', null]]);
      expect(upstream.requests).toHaveLength(asked);
      place.clock.now += 300_000;
      expect(states(await place.look('due'))).toEqual([['fix-1', 'current', '1']]);
      expect(place.jobs()).toEqual([]);
    },
  );

  it('that is away does not make newer files of others unreachable, which are tried when it is back', async () => {
    const other = await startUpstream();
    other.files.set('say-1.patch', SAY_MORE);
    const both = makePlace({
      patches: `${watched(upstream.url)}\n  - { name: say-1, urls: ["${other.url}say-1.patch"] }`,
    });
    other.script.set('/say-1.patch', [status(503), status(503), status(503), status(503)]);
    upstream.files.set('fix-2.patch', reworded('two'));
    const report = await both.look();
    expect(states(report)).toEqual([
      ['fix-1', 'untried', '2'],
      ['say-1', 'unreachable', null],
    ]);
    expect(report.sources[0]?.message).toBe('2 is newer, and is tried when say-1 can be had');
    expect(report.changes).toEqual([]);
    other.script.clear();
    const later = await both.look();
    expect(states(later)).toEqual([['fix-1', 'newer', '2']]);
    expect(variants(later)).toEqual([['a', 'b']]);
    await other.close();
  });

  it('whose listing is cut off without a word of its length changes nothing', async () => {
    upstream.script.set('/', [
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' });
        response.write('<html><a href="fix-2.patch">2</a>', () => response.destroy());
      },
    ]);
    expect(states(await place.look())).toEqual([['fix-1', 'unreachable', null]]);
    expect(place.jobs()).toEqual([]);
  });

  it('that can not say whether a file has changed is asked for it once a week', async () => {
    const plain: Answer = (_request, response) => void response.writeHead(200).end(reworded('two'));
    upstream.files.set('fix-2.patch', reworded('two'));
    await place.look();
    upstream.script.set('/fix-2.patch', [plain, plain]);
    const asked = () => upstream.requests.filter(({ path }) => path === '/fix-2.patch').length;
    await place.look();
    const before = asked();
    await place.look();
    expect(asked()).toBe(before);
    place.clock.now += 7 * 24 * HOUR;
    await place.look();
    expect(asked()).toBe(before + 1);
  });

  it('that asks to be left alone is, even by --once', async () => {
    upstream.script.set('/', [status(429, { 'retry-after': '7200' })]);
    expect(states(await place.look())).toEqual([['fix-1', 'unreachable', null]]);
    place.clock.now += HOUR;
    expect(states(await place.look())).toEqual([['fix-1', 'waiting', null]]);
    expect(upstream.requests).toHaveLength(1);
    place.clock.now += HOUR;
    expect(states(await place.look())).toEqual([['fix-1', 'current', '1']]);
  });

  it('is asked no more often than the interval says', async () => {
    await place.look('due');
    place.clock.now += HOUR - 1;
    await place.look('due');
    expect(upstream.requests).toHaveLength(1);
    place.clock.now += 1;
    await place.look('due');
    expect(upstream.requests).toHaveLength(2);
    expect(upstream.busiest()).toBe(1);
  });

  it('is asked beside other hosts, and one listing of a host after another', async () => {
    const other = await startUpstream('127.0.0.2');
    other.files.set('say-1.patch', SAY_MORE);
    // Each answers when the other was asked as well.
    const [hereAsked, thereAsked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const once =
      (asked: () => void, when: Promise<void>, names: readonly string[]): Answer =>
      (request, response) => {
        asked();
        void when.then(() => body(page(names), { 'content-type': 'text/html' })(request, response));
      };
    upstream.script.set('/', [once(hereAsked.resolve, thereAsked.promise, ['fix-1.patch'])]);
    other.script.set('/', [once(thereAsked.resolve, hereAsked.promise, ['say-1.patch'])]);
    const theirs = watched(other.url).replaceAll('fix-', 'say-');
    upstream.files.set('new-1.patch', Buffer.from('--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n'));
    upstream.script.set('/second/', [body(page(['/new-1.patch']), { 'content-type': 'text/html' })]);
    const second = watched(upstream.url)
      .replaceAll('fix-', 'new-')
      .replace(`"${upstream.url}"`, `"${upstream.url}second/"`);
    const three = makePlace({ patches: `${watched(upstream.url)}${theirs}${second}` });
    expect(states(await three.look())).toEqual([
      ['fix-1', 'current', '1'],
      ['say-1', 'current', '1'],
      ['new-1', 'current', '1'],
    ]);
    expect([upstream.busiest(), other.busiest()]).toEqual([1, 1]);
    await other.close();
  });

  it('is told to a recipe that had a fault when its listing changed', async () => {
    const other = join(place.directory, 'r', 'other.yaml');
    const text = readFileSync(place.recipe, 'utf8').replace('name: own', 'name: other');
    writeFileSync(other, text);
    const both = { ...place.context, references: [place.recipe, other] };
    await lookOnce(both, 'now');
    writeFileSync(other, 'name: [');
    upstream.files.set('fix-2.patch', reworded('two'));
    expect((await lookOnce(both, 'now')).report).toMatchObject({
      changes: [{ recipe: 'own' }],
      problems: [{ recipe: other }],
    });
    writeFileSync(other, text);
    expect((await lookOnce(both, 'due')).report.changes).toMatchObject([{ recipe: 'other' }]);
  });

  it('with a hostile listing leads nowhere else', async () => {
    const links = [
      'http://localhost:1/fix-99.patch',
      'javascript:fix-98.patch',
      '../../fix-97.patch',
      '//evil/fix-96.patch',
    ];
    upstream.script.set('/', [body(page(links), { 'content-type': 'text/html' })]);
    const report = await place.look();
    // What ../ leads to above a server's root is its root.
    expect(states(report)).toEqual([['fix-1', 'unreachable', '97']]);
    expect(upstream.requests.map(({ path }) => path)).toEqual(['/', '/fix-97.patch']);
    expect(place.jobs()).toEqual([]);
  });

  it('that lost what was newer takes nobody back', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    await place.look();
    upstream.script.set('/', [body(page(['fix-1.patch']))]);
    const report = await place.look();
    expect(states(report)).toEqual([['fix-1', 'current', '2']]);
    expect(report.changes).toEqual([]);
  });
});

describe('what was seen', () => {
  it('may be deleted: everything is looked at anew, the same revision is used, and what waits is joined', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    const first = await place.look();
    rmSync(join(place.directory, 'home/watch.json'));
    const again = await place.look();
    expect(again.changes).toMatchObject([
      { job: first.changes[0]?.job, joined: true, reference: first.changes[0]?.reference },
    ]);
    expect(readdirSync(join(place.directory, 'home/revisions/own'))).toEqual(['1']);
  });

  it('may be damaged', async () => {
    await place.look();
    writeFileSync(join(place.directory, 'home/watch.json'), '{"format": 1, "list');
    expect(states(await place.look())).toEqual([['fix-1', 'current', '1']]);
  });
});

describe('an edit', () => {
  it('of a fragment queues exactly the variants that have it', async () => {
    await place.look();
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    const one = await place.look();
    expect(variants(one)).toEqual([['b']]);
    expect(one.changes[0]?.because).toEqual([expect.stringMatching(/^fragment b\.config: /)]);
    expect(one.changes[0]?.reference).toBe(place.recipe);
    place.write('all.config', 'CONFIG_NE2K_PCI=m\n');
    expect(variants(await place.look())).toEqual([['a', 'b']]);
  });

  it('of the recipe queues the variants that it changes: none for words', async () => {
    await place.look();
    const text = readFileSync(place.recipe, 'utf8');
    place.write('own.yaml', text.replace('name: own', 'name: own\ndescription: in other words'));
    expect(variants(await place.look())).toEqual([]);
    place.write('own.yaml', text.replace('  a: {}', '  a: { options: { CONFIG_PCNET32: y } }'));
    expect(variants(await place.look())).toEqual([['a']]);
    place.write('own.yaml', text.replace('  a: {}', '  a: { options: { CONFIG_PCNET32: y } }\n  c: {}'));
    expect(variants(await place.look())).toEqual([['a', 'c']]);
  });

  it('takes the place of what waits of the edit before: the last one is built, for all that is affected', async () => {
    await place.look();
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    const first = await place.look();
    const text = readFileSync(place.recipe, 'utf8');
    place.write('own.yaml', text.replace('  a: {}', '  a: { options: { CONFIG_PCNET32: y } }'));
    const second = await place.look();
    expect(second.changes).toMatchObject([{ variants: ['a', 'b'], superseded: [first.changes[0]?.job] }]);
    const [, job] = place.jobs();
    expect(job?.spec.reason).toMatch(/^kiln watch: fragment b\.config: .*; CONFIG_PCNET32 is new: y$/);
    expect(place.jobs().map(({ state }) => state)).toEqual(['cancelled', 'waiting']);
  });

  it('leaves alone a job that somebody else waits for as well', async () => {
    await place.look();
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    const first = await place.look();
    const ledger = Ledger.of(place.context.home);
    const [job] = ledger.jobs();
    expect(job?.id).toBe(first.changes[0]?.job);
    if (job !== undefined) ledger.submit([job]);
    ledger.close();
    place.write('b.config', '# CONFIG_8139TOO is not set\n');
    expect((await place.look()).changes).toMatchObject([{ variants: ['b'], superseded: [] }]);
    expect(place.jobs().map(({ state }) => state)).toEqual(['waiting', 'waiting']);
  });

  it('of the kit of an initrd queues the variants that have it', async () => {
    const text = readFileSync(place.recipe, 'utf8');
    place.write('kit.tar', 'one');
    place.write('own.yaml', text.replace('  a: {}', '  a: { initrd: { kit: { path: kit.tar } } }'));
    await place.look();
    place.write('kit.tar', 'two');
    expect(variants(await place.look())).toEqual([['a']]);
  });

  it('of a recipe that makes it no recipe is said, and the others are looked at', async () => {
    place.write('own.yaml', 'name: [');
    const report = await place.look();
    expect(report.problems).toMatchObject([{ recipe: place.recipe, kind: 'invalid' }]);
    expect(exitCodeOf(report)).toBe(2);
  });

  it('of a local patch makes a revision with its new digest, where the lock has the old one', async () => {
    const local = makePlace({ patches: '[{ name: fix, urls: [fix.patch] }]' });
    local.write('fix.patch', PATCH);
    const digest = '1e107a0ec23b4ed4dfff96e18b8750624999833eee70e5c24619188097205ed4';
    local.write(
      'own.lock.yaml',
      `sources:\n  fix: {file: fix.patch, size: ${PATCH.length}, sha256: ${digest}}\n`,
    );
    expect((await local.look()).changes).toEqual([]);
    local.write('fix.patch', reworded('edited'));
    const report = await local.look();
    expect(variants(report)).toEqual([['a', 'b']]);
    const lock = readFileSync((report.changes[0]?.reference ?? '').replace('.yaml', '.lock.yaml'), 'utf8');
    expect(lock).not.toContain(digest);
    local.write('fix.patch', MISFIT);
    const misfit = await local.look();
    expect(states(misfit)).toEqual([['fix', 'does-not-apply', null]]);
    expect(misfit.changes).toEqual([]);
  });

  it('of a local file whose digest the recipe gives is refused', async () => {
    const local = makePlace({ patches: `[{ name: fix, urls: [fix.patch], md5: ${'0'.repeat(32)} }]` });
    local.write('fix.patch', PATCH);
    const report = await local.look();
    expect(states(report)).toEqual([['fix', 'refused', null]]);
    expect(exitCodeOf(report)).toBe(4);
  });
});

describe('a rule', () => {
  it('may watch a directory', async () => {
    const local = makePlace({
      patches: `[{ name: fix-1, urls: [pool/fix-1.patch], watch: { index: pool, match: 'fix-(\\d+)\\.patch' } }]`,
    });
    mkdirSync(join(local.directory, 'r/pool'));
    local.write('pool/fix-1.patch', PATCH);
    await local.look('due');
    local.write('pool/fix-2.patch', reworded('two'));
    const report = await local.look('due');
    expect(states(report)).toEqual([['fix-1', 'newer', '2']]);
    expect(variants(report)).toEqual([['a', 'b']]);
  });

  it.each([
    ['the tags of a repository', "#v1, match: 'v([\\d.]+)'", 'v2', '2'],
    ['a branch', '#main, ref: main', null, null],
  ])('may watch %s', async (_what, rest, tag, newest) => {
    const directory = makePlace({ patches: '[]' }).directory;
    const repository = join(directory, 'repository');
    const git = (...words: string[]) =>
      execFileSync('git', ['-C', repository, '-c', 'user.name=x', '-c', 'user.email=x@x', ...words])
        .toString()
        .trim();
    mkdirSync(repository);
    const commit = (words: string) => {
      writeFileSync(join(repository, 'fix.patch'), reworded(words));
      git('add', '.');
      git('commit', '-q', '-m', words);
      return git('rev-parse', 'HEAD');
    };
    git('init', '-q', '-b', 'main');
    commit('one');
    git('tag', 'v1');
    const [ref = '', rule = ''] = rest.split(', ');
    const member = `${ref === '#main' ? 'repository-main' : 'repository-v1'}/fix.patch`;
    const local = makePlace({
      patches: `[{ name: fix, urls: ["git+file://${repository}${ref}"], member: ${member}, watch: { git: "file://${repository}", ${rule} } }]`,
    });
    await local.look();
    const now = commit('two');
    if (tag !== null) git('tag', tag);
    const report = await local.look();
    // The member's name has the version in it, so that what is found does not apply as the recipe is.
    expect(states(report)).toEqual([['fix', 'does-not-apply', newest ?? now]]);
    expect(report.sources[0]?.message).toMatch(/has no file/);
  });

  it('that finds no version in what the recipe has is said', async () => {
    const local = makePlace({ patches: watched(upstream.url).replace('fix-(\\d+)', 'other-(\\d+)') });
    expect(states(await local.look())).toEqual([['fix-1', 'no-match', null]]);
  });

  it('may watch the kernel, whose version goes with it', async () => {
    const text = readFileSync(place.recipe, 'utf8');
    place.write(
      'own.yaml',
      text.replace('source: {', "watch: { index: ., match: 'linux-(2[\\d.]*\\d)\\.tar\\.bz2' }\n  source: {"),
    );
    await place.look();
    // A tarball that says it is another version than its name is not taken.
    execFileSync('cp', [
      join(place.directory, 'r/linux-2.4.99.tar.bz2'),
      join(place.directory, 'r/linux-2.4.100.tar.bz2'),
    ]);
    const report = await place.look();
    expect(states(report)).toEqual([
      ['kernel', 'does-not-apply', '2.4.100'],
      ['fix-1', 'current', '1'],
    ]);
    expect(report.sources[0]?.message).toMatch(/the recipe says 2\.4\.100, the tree .* says 2\.4\.99/);
  });
});

describe('the policy', () => {
  it.each([
    ['notify', undefined],
    ['build', { publish: false, channel: null }],
    ['testing', { publish: true, channel: 'testing/own/{variant}' }],
    ['publish', { publish: true, channel: null }],
  ] as const)('%s does that and no more', async (policy, spec) => {
    const text = readFileSync(place.recipe, 'utf8');
    place.write('own.yaml', `${text}watch: { policy: ${policy} }\n`);
    upstream.files.set('fix-2.patch', reworded('two'));
    const report = await place.look();
    expect(report.changes).toMatchObject([{ policy, variants: ['a', 'b'] }]);
    expect(place.jobs().map((job) => job.spec)).toMatchObject(spec === undefined ? [] : [spec]);
    expect((await place.look()).changes).toEqual([]);
  });
});

describe('the status', () => {
  it('has what was found when it was asked, whatever a look that did not ask came to', async () => {
    place.write(
      'own.lock.yaml',
      `sources:\n  fix-1: {file: fix-1.patch, size: ${PATCH.length}, sha256: ${'f'.repeat(64)}}\n`,
    );
    await place.look();
    place.clock.now += 60_000;
    place.write('b.config', 'CONFIG_8139TOO=m\n');
    const { changes } = await place.look('none');
    expect(await watchStatus(place.context.home)).toMatchObject({
      recipes: [
        {
          recipe: 'own',
          reference: place.recipe,
          looked: '2001-09-09T01:47:40.000Z',
          policy: 'build',
          sources: [
            {
              source: 'fix-1',
              status: 'refused',
              looked: '2001-09-09T01:46:40.000Z',
              next: '2001-09-09T02:46:40.000Z',
              failures: 0,
            },
          ],
          problem: null,
          revision: null,
          change: { job: changes[0]?.job, variants: ['b'], found: '2001-09-09T01:47:40.000Z' },
        },
      ],
    });
  });

  it('names the revision that is built in the place of the recipe, until that has caught up', async () => {
    upstream.files.set('fix-2.patch', reworded('two'));
    const [change] = (await place.look()).changes;
    const revisionNow = async () => (await watchStatus(place.context.home)).recipes[0]?.revision;
    expect(await revisionNow()).toEqual({ reference: change?.reference, diff: change?.diff, number: 1 });
    execFileSync('patch', ['-s', '-p1', '-d', join(place.directory, 'r'), '-i', change?.diff ?? '']);
    await place.look();
    expect(await revisionNow()).toBeNull();
  });

  it('says what is wrong with a recipe, and where', async () => {
    await place.look();
    place.write('own.yaml', 'name: [');
    await place.look();
    const [recipe] = (await watchStatus(place.context.home)).recipes;
    expect(recipe?.problem?.message).toMatch(/own\.yaml:\d+/);
    expect(recipe?.sources).toHaveLength(1);
  });
});

describe('a home that was moved away', () => {
  it('is begun anew', async () => {
    await place.look();
    renameSync(join(place.directory, 'home'), join(place.directory, 'away'));
    expect(states(await place.look())).toEqual([['fix-1', 'current', '1']]);
  });
});
