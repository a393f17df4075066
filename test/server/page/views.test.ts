import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDirectory, kiln, sampleHome } from '../../support/kiln.ts';
import { MISFIT, makePlace, PATCH, watched } from '../../watch/fixture.ts';
import { startUpstream, status } from '../../watch/upstream.ts';
import { barriers, fits, hasChromium, openBrowser, openPage } from '../browser.ts';
import { serveApi } from '../serving.ts';

describe.skipIf(!hasChromium)('the page', () => {
  let browser: Browser;
  let sample: string;
  beforeAll(async () => {
    browser = await openBrowser();
    // Where nobody has wanted the sample before, it is built here, and no test's time goes into it.
    sample = await sampleHome();
  });
  afterAll(() => browser.close());

  const details = (page: Page) => page.locator('.plan-details');

  it('has the plan of a recipe as a graph: what is shared once, and why by keyboard, pointer and tap', async () => {
    const served = await serveApi({ root: freshDirectory('plan') });
    for (const width of [1280, 390]) {
      const { page, faults } = await openPage(browser, served.url, { width });
      await page.goto(`${served.url}/#/plans/linux-2.4.22`);
      const box = (name: RegExp) => page.getByRole('button', { name });
      await box(/^tree miss, for all variants: sources not fetched yet/).waitFor();
      expect(await box(/^tree /).count()).toBe(1);
      expect(await box(/^kernel miss, for all variants: not in the store/).count()).toBe(1);
      expect(await box(/^compile /).count()).toBe(7);
      await details(page).getByText('not in the store: kernel').waitFor();

      await box(/^kernel /).focus();
      const toTree = width > 1000 ? 'ArrowRight' : 'ArrowDown';
      await page.keyboard.press(toTree);
      await details(page).getByText('sources not fetched yet').waitFor();
      await page.keyboard.press(toTree);
      await details(page).getByText('tree has to run').waitFor();
      expect(await page.locator('.plan [tabindex="0"]').count()).toBe(1);

      await box(/^bundle miss, for rtl8139/).click();
      await details(page).getByText('compile has to run').waitFor();
      if (width > 1000) {
        await details(page).getByText('lts/linux-2.4.22-rtl8139').waitFor();
        await box(/^compile miss, for all:/).hover();
        await details(page).getByText('config has to run').waitFor();
        await page.mouse.move(5, 5);
        await details(page).getByText('lts/linux-2.4.22-rtl8139').waitFor();
      }
      await page.getByText('As a table').click();
      expect(await page.getByRole('row').count()).toBe(1 + 2 + 7 * 3);
      await fits(page);
      expect(await barriers(page)).toEqual([]);
      expect(faults).toEqual([]);
    }
    await served.close();
  });

  it('says when each source was looked at, what is newer, what the check of it said, and who failed', async () => {
    const upstream = await startUpstream();
    upstream.files.set('fix-1.patch', PATCH);
    const place = makePlace({ patches: watched(upstream.url) });
    place.clock.now = Date.now() - 7_200_000;
    await place.look();
    const served = await serveApi({ root: join(place.directory, 'home') });
    const { page, faults } = await openPage(browser, served.url, { scheme: 'dark', width: 390 });
    await page.goto(`${served.url}/#/watch`);
    const row = page.getByRole('row').filter({ hasText: 'fix-1' });
    await row.getByText('up to date').waitFor();
    await row.getByText('2 hr. ago').waitFor();

    // What is found from here on is told without anybody's reloading the page.
    upstream.files.set('fix-2.patch', MISFIT);
    place.clock.now = Date.now() - 3_600_000;
    await place.look();
    await row.getByText('does not apply').waitFor();
    await page.getByText('What kiln patch check says').click();
    await page.locator('.verdict pre', { hasText: 'rejected' }).waitFor();

    upstream.script.set('/', [status(500)]);
    place.clock.now = Date.now();
    await place.look();
    await row.getByText('out of reach').waitFor();
    await row.getByText('failed once').waitFor();
    await row.getByText(/^in \d+ min/).waitFor();
    await fits(page);
    expect(await barriers(page)).toEqual([]);
    expect(faults).toEqual([]);
    await served.close();
    await upstream.close();
  });

  it('pins a channel, promotes what it has, and names the nodes that go ahead', async () => {
    const served = await serveApi({ root: sample });
    const token = served.bearer.publisher.replace('Bearer ', '');
    const { page, faults } = await openPage(browser, served.url, { token, width: 390 });
    await page.goto(`${served.url}/#/channels/sample%2Fne2k`);
    await page.getByRole('button', { name: 'Pin', exact: true }).click();
    await page.getByLabel('Why').fill('exam week');
    await page.getByRole('button', { name: 'Pin it' }).click();
    await page.getByText(/Pinned by publisher .*: exam week/).waitFor();
    await page.getByRole('button', { name: 'Unpin' }).click();
    await page.getByLabel('Why').fill('exams are over');
    await page.getByRole('button', { name: 'Unpin it' }).click();
    await page.getByRole('button', { name: 'Pin', exact: true }).waitFor();

    await page.getByRole('button', { name: 'Promote' }).click();
    expect(await barriers(page)).toEqual([]);
    await page.getByLabel('Channel').fill('lts/stable');
    await page.getByLabel('Why').fill('a week without a panic');
    await page.getByRole('button', { name: 'Promote it' }).click();
    // It goes away when the server has answered.
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    const ran = await kiln(['canary', 'add', 'lts/stable', '52:54:00:12:34:56', '--home', sample]);
    expect(ran.stderr).toBe('');
    await page.goto(`${served.url}/#/channels/lts%2Fstable`);
    await page.locator('tr', { hasText: 'a week without a panic' }).waitFor();
    await page.getByText('52-54-00-12-34-56').waitFor();
    await fits(page);
    expect(faults).toEqual([]);
    await served.close();
  });

  it('says what watching is where nothing was looked at', async () => {
    const served = await serveApi({ root: freshDirectory('unwatched') });
    const { page } = await openPage(browser, served.url);
    await page.goto(`${served.url}/#/watch`);
    await page.getByText('Nothing was looked at yet').waitFor();
    await served.close();
  });
});
