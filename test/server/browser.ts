import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';

const CHROMIUM = '/usr/bin/chromium';

export const hasChromium = existsSync(CHROMIUM);

/** How long something on a page may take that comes in any case: on a machine that is busy, a long time. */
const PATIENCE_MS = 150_000;

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'], timeout: PATIENCE_MS });
}

export interface Looking {
  readonly scheme?: 'light' | 'dark';
  readonly width?: number;
  readonly token?: string;
}

/** A page whose errors and requests to elsewhere fail the test that reads them. */
export async function openPage(browser: Browser, url: string, looking: Looking = {}) {
  const { scheme = 'light', width = 1280, token } = looking;
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 } });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) faults.push(`asks ${request.url()}`);
  });
  page.on('console', (message) => {
    if (/Content Security Policy/.test(message.text())) faults.push(message.text());
  });
  if (token !== undefined) {
    await page.addInitScript((text) => sessionStorage.setItem('kiln-token', text), token);
  }
  return { page, faults };
}

/** What axe finds that keeps people from using a page, in words. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  // In words of the browser's own: its globals are none of this program's.
  return page.evaluate<string[]>(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => id + ': ' + help + ': ' + nodes.map(({ html }) => html).join(' ')))`);
}

/** The page fits its window: nothing has to be scrolled sideways. */
export async function fits(page: Page): Promise<void> {
  const { scrollWidth, clientWidth } = await page.evaluate<{ scrollWidth: number; clientWidth: number }>(
    '(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)',
  );
  expect(scrollWidth).toBeLessThanOrEqual(clientWidth);
}
