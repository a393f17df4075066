import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { EmbeddedHand } from '../../src/queue/embedded.ts';
import { readPage } from '../../src/server/page.ts';
import { request } from '../queue/requests.ts';
import { freshDirectory, kiln, sampleHome, startKiln } from '../support/kiln.ts';
import { barriers, fits, hasChromium, openBrowser, openPage } from './browser.ts';
import { serveApi } from './serving.ts';

/** What builds and boots a kernel has the time that those have who wait for the sample. */
const BUILD_MS = 400_000;

describe('the page', () => {
  it('weighs less than 150 KB, compressed', () => {
    const sizes = [...readPage().values()].map(({ gzip }) => gzip.length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(150_000);
  });

  it('is nothing that a browser would run anything but its own files in', async () => {
    const served = await serveApi();
    const response = await fetch(`${served.url}/`);
    const policy = response.headers.get('content-security-policy');
    expect(policy).toMatch(/^default-src 'none'; script-src 'self';/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
    expect(await response.text()).not.toMatch(/<script>|style=|https?:/);
    await served.close();
  });
});

describe.skipIf(!hasChromium)('the page in a browser', () => {
  let browser: Browser;
  let child: ChildProcess | undefined;
  beforeAll(async () => {
    browser = await openBrowser();
    // Where nobody has wanted the sample before, it is built here, and no test's time goes into it.
    await sampleHome();
  });
  afterAll(() => browser.close());
  afterEach(() => stop());

  async function stop(): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    child.kill('SIGTERM');
    await exit;
  }

  /** `kiln serve`; its address. */
  async function serve(home: string): Promise<string> {
    child = startKiln(['serve', '--listen', '127.0.0.1:0', '--home', home]);
    if (child.stderr === null) throw new Error('no stderr');
    for await (const line of createInterface({ input: child.stderr })) {
      const url = /^serving .* on (http\S+)$/.exec(line)?.[1];
      if (url !== undefined) {
        child.stderr.resume();
        return url;
      }
    }
    throw new Error('kiln serve ended');
  }

  /**
   * An address that stays while servers come and go behind it: a port that one of them has given back may be anybody's
   * before the next one asks for it.
   */
  async function gate() {
    let behind = '';
    const server = createServer((client) => {
      const inside = connect(Number(new URL(behind).port), '127.0.0.1');
      pipeline(client, inside, client, () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      leadTo(url: string) {
        behind = url;
      },
      close: () => server.close(),
    };
  }

  async function token(home: string): Promise<string> {
    const added = await kiln(['token', 'add', '--role', 'publisher', '--name', 'alice', '--home', home]);
    return added.stdout.trim();
  }

  it('queues a build, follows its log, shows it published, rolls it back, and comes back when the server does', async () => {
    const home = await sampleHome();
    // What is published next has to be built, and is another bundle than nodes boot before.
    const { stdout } = await kiln(['bundles', '--json', '--home', home]);
    const { bundles } = JSON.parse(stdout) as { bundles: { id: string; variant: string }[] };
    const other = bundles.find(({ variant }) => variant === 'rtl8139')?.id ?? '';
    await kiln(['publish', other, '--channel', 'sample/all', '--home', home]);
    rmSync(join(home, 'bundles/sample/all'), { recursive: true, force: true });
    rmSync(join(home, 'cache'), { recursive: true, force: true });

    const { url, leadTo, close } = await gate();
    leadTo(await serve(home));
    const { page, faults } = await openPage(browser, url, { token: await token(home) });
    await page.goto(`${url}/#/variants/sample%3Aall`);
    await page.getByRole('button', { name: 'Build' }).click();
    await page.locator('.log-text', { hasText: '# compile' }).waitFor();
    await page.locator('.log-text', { hasText: '# finished: published' }).waitFor({ timeout: BUILD_MS });
    await page.locator('.badge.published').first().waitFor();

    await page.getByRole('link', { name: 'Channels' }).click();
    await page.getByRole('link', { name: 'sample/all' }).click();
    await page.locator('.head .generation', { hasText: 'generation 3' }).waitFor();
    await page.getByRole('button', { name: 'Roll back to generation 2' }).click();
    await page.getByLabel('Why').fill('it does not find its disk');
    await page.getByRole('button', { name: 'Point nodes there' }).click();
    await page.locator('.head .generation', { hasText: 'generation 2' }).waitFor();
    const history = await kiln(['history', 'sample/all', '--home', home]);
    expect(history.stdout).toMatch(/3 -> 2\s+alice\s+it does not find its disk/);

    await stop();
    await page.locator('.link.lost', { hasText: 'Reconnecting' }).waitFor();
    leadTo(await serve(home));
    await page.locator('.link.live').waitFor();
    await kiln(['rollback', 'sample/all', '--to', '3', '--home', home]);
    await page.locator('.head .generation', { hasText: 'generation 3' }).waitFor();
    expect(faults).toEqual([]);
    close();
  });

  it('keeps nobody out: nothing serious for axe, on any view, in both themes, on a phone', async () => {
    const home = await sampleHome();
    const { stdout } = await kiln(['queue', 'list', '--json', '--home', home]);
    const [job] = (JSON.parse(stdout) as { jobs: { id: string }[] }).jobs;
    await kiln(['rollback', 'sample/all', '--home', home]);
    const served = await serveApi({ root: home });
    const token = served.bearer.publisher.replace('Bearer ', '');
    const found: string[] = [];
    const views = [
      '',
      'builds',
      `jobs/${job?.id}`,
      'channels',
      'channels/sample%2Fall',
      'variants/sample%3Ane2k',
      'plans/sample',
      'watch',
      'token',
    ];
    for (const looking of [{ scheme: 'light' }, { scheme: 'dark', width: 390 }] as const) {
      const { page, faults } = await openPage(browser, served.url, { ...looking, token });
      for (const view of views) {
        await page.goto(`${served.url}/#/${view}`);
        await page.locator('.link.live').waitFor();
        await page.locator('h1').first().waitFor({ state: 'attached' });
        found.push(...(await barriers(page)).map((barrier) => `#/${view}, ${looking.scheme}: ${barrier}`));
        await fits(page);
      }
      expect(faults).toEqual([]);
    }
    expect(found).toEqual([]);
    await served.close();
  });

  it('lets a node go ahead, and boot what the others do again', async () => {
    const home = await sampleHome();
    const served = await serveApi({ root: home });
    const token = served.bearer.publisher.replace('Bearer ', '');
    const { page, faults } = await openPage(browser, served.url, { token });
    await page.goto(`${served.url}/#/channels/sample%2Fall`);
    await page.getByRole('button', { name: 'Add a canary' }).click();
    await page.getByLabel('MAC address').fill('no address');
    await page.getByLabel('Why').fill('to try it');
    await page.getByRole('button', { name: 'Let it go ahead' }).click();
    // The browser refuses it where it stands.
    await page.getByLabel('MAC address').fill('52:54:00:AB:CD:EF');
    await page.getByRole('button', { name: 'Let it go ahead' }).click();
    await page.getByRole('row', { name: /52-54-00-ab-cd-ef .* publisher to try it/ }).waitFor();
    expect((await kiln(['canary', '--home', home])).stdout).toMatch(/52-54-00-ab-cd-ef +sample\/all/);
    await page.getByRole('button', { name: 'Remove 52-54-00-ab-cd-ef' }).click();
    await page.getByRole('heading', { name: 'Canaries' }).waitFor({ state: 'detached' });
    expect((await kiln(['canary', '--home', home])).stdout).toMatch(/No canaries/);
    expect(faults).toEqual([]);
    await served.close();
  });

  it('shows what is being built and what is next, however much was queued after it', async () => {
    const served = await serveApi();
    served.ledger.submit([request('first'), request('second')]);
    served.ledger.submit(Array.from({ length: 450 }, (_, index) => request(`later-${index}`)));
    await new EmbeddedHand(served.ledger).take(1);
    const { page, faults } = await openPage(browser, served.url);
    await page.goto(`${served.url}/#/builds`);
    await page.getByRole('heading', { name: 'first' }).waitFor();
    const [waits] = await page.locator('table').first().getByRole('link').allTextContents();
    expect(waits).toBe('second:a');
    await page.getByText('and 251 more after these').waitFor();
    // Somebody has typed it.
    await page.goto(`${served.url}/#/jobs/%zz`);
    await page.getByText('There is no such job').waitFor();
    expect(faults).toEqual([]);
    await served.close();
  });

  it('shows a log of 10 MB by a window on it, finds a line in it and its first error', async () => {
    const served = await serveApi();
    const [submitted] = served.ledger.submit([request('long')]);
    const log = join(served.home.logs, 'long.log');
    mkdirSync(served.home.logs, { recursive: true });
    const lines = Array.from(
      { length: 160_000 },
      (_, index) => `gcc -c -o drivers/net/file${index}.o a line of a build log`,
    );
    lines[120_000] = 'drivers/net/8139too.c:77: error: parse error before "irqreturn_t"';
    writeFileSync(log, `${lines.join('\n')}\n`);
    const hand = new EmbeddedHand(served.ledger);
    const [lease] = await hand.take(1);
    if (lease === undefined) throw new Error('nothing to take');
    await hand.report(lease, [{ type: 'started', variant: 'long:a', log }]);
    const { page } = await openPage(browser, served.url);
    await page.goto(`${served.url}/#/jobs/${submitted?.job.id}`);
    await page.locator('.line', { hasText: 'file159999.o' }).waitFor();
    const drawn = () => page.locator('.line').count();
    expect(await drawn()).toBeLessThan(8000);
    await page.getByRole('button', { name: 'First error' }).click();
    await page.locator('.line.found', { hasText: 'irqreturn_t' }).waitFor();
    await page.getByRole('searchbox').fill('file7777.o');
    await page.getByRole('button', { name: 'Previous match' }).click();
    await page.locator('.line.found', { hasText: 'file7777.o' }).waitFor();
    await page.locator('.log-text').evaluate((element) => element.scrollTo(0, 0));
    await page.locator('.line', { hasText: 'file7000.o' }).waitFor({ state: 'attached' });
    expect(await drawn()).toBeLessThan(8000);
    await served.close();
  });

  it('says what it needs where it has no access, and what there could be where there is nothing', async () => {
    const served = await serveApi({ root: freshDirectory('empty') });
    const { page } = await openPage(browser, served.url);
    await page.goto(`${served.url}/#/channels`);
    await page.getByText('No channels yet').waitFor();
    const refused = await openPage(browser, served.url, { token: 'kiln_00000000_wrong' });
    await refused.page.goto(served.url);
    await refused.page.getByText('kiln token add --role publisher').waitFor();
    await served.close();
  });
});
