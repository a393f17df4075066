import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KilnError } from '../../src/platform/errors.ts';
import type { WatchRule } from '../../src/recipe/schema.ts';
import { candidatesOf, currentOf, newestOf, urlsOf } from '../../src/watch/candidates.ts';
import { type Listed, readListing } from '../../src/watch/listing.ts';

const PLACE = { url: 'https://host/pub/patches/', hosts: new Set(['files.host']) };
const RULE: WatchRule = { index: PLACE.url, match: 'fix-([\\w.-]+)\\.patch', prereleases: false };

function names(text: string, place = PLACE): string[] {
  return readListing(text, place).map(({ name }) => name);
}

function listed(...all: string[]): Listed[] {
  return all.map((name) => ({ name, url: undefined }));
}

describe('a listing', () => {
  it('of a directory is its links, wherever the attribute stands and whatever its quotes', () => {
    const page = `<html><h1>Index</h1><a href="../">Up</a> <A class=x HREF='fix-1.patch'>fix-1</A>
      <a href="/pub/patches/fix-2.patch">2</a> <a href="fix%2D3.patch">3</a> <a href="sub/">sub</a>`;
    expect(names(page)).toEqual(['fix-1.patch', 'fix-2.patch', 'fix-3.patch', 'sub']);
  });

  it("of SourceForge's files has their names before /download", () => {
    const page = '<table><a href="https://host/pub/patches/fix-3.patch/download">fix</a></table>';
    expect(readListing(page, PLACE)).toEqual([
      { name: 'fix-3.patch', url: 'https://host/pub/patches/fix-3.patch/download' },
    ]);
  });

  it('of a feed has the links of its items', () => {
    const feed = '<rss><item><title>x</title><link>https://host/pub/patches/fix-4.patch</link></item></rss>';
    expect(names(feed)).toEqual(['fix-4.patch']);
  });

  it("of GitHub's releases has tags and assets, and no drafts", () => {
    const releases = [
      {
        tag_name: 'v2',
        assets: [{ name: 'fix-2.patch', browser_download_url: 'https://files.host/v2/fix-2.patch' }],
      },
      { tag_name: 'v3', draft: true, assets: [{ name: 'fix-3.patch' }] },
    ];
    expect(readListing(JSON.stringify(releases), PLACE)).toEqual([
      { name: 'v2', url: undefined },
      { name: 'fix-2.patch', url: 'https://files.host/v2/fix-2.patch' },
    ]);
  });

  it('of lines, as of checksums, has the last word of each', () => {
    expect(names('0a1b  fix-1.patch\n0a1c *fix-2.patch\n')).toEqual(['fix-1.patch', 'fix-2.patch']);
  });

  it('is not trusted: links elsewhere, above, with other schemes or users are left out', () => {
    const hostile = [
      'https://evil/fix-99.patch',
      '//evil/fix-98.patch',
      'javascript:fix-97.patch',
      'data:text/plain,fix-96.patch',
      '../fix-95.patch',
      '../../etc/fix-94.patch',
      'file:///etc/fix-93.patch',
      'http://host/pub/patches/fix-92.patch',
      'https://user:word@host/pub/patches/fix-91.patch',
      'a%2F..%2Ffix-90.patch',
      'fix-%00.patch',
      '..%2Ffix-89.patch',
    ];
    expect(names(`<html>${hostile.map((href) => `<a href="${href}">x</a>`).join('\n')}`)).toEqual([]);
  });

  it('that is cut off has no half names', () => {
    expect(names('<html><a href="fix-1.patch">1</a><a href="fix-1')).toEqual(['fix-1.patch']);
    expect(() => names('[{"name": "fix-1.patch"}, {"na')).toThrow(KilnError);
  });

  it('of too many names is refused', () => {
    const many = Array.from({ length: 20_001 }, (_, index) => `fix-${index}.patch`);
    expect(() => names(JSON.stringify(many))).toThrow(/more than 20000 names/);
  });

  it('is read in no time, whatever it holds', () => {
    for (const piece of ['<a ', '<a href="', '<link>', "<a href='x", '&#', '[', '{"a":']) {
      const text = `<${piece.repeat(300_000)}`;
      expect(names(text).length).toBeLessThan(2);
    }
  });

  it('never gives a name that could lead elsewhere', () => {
    fc.assert(
      fc.property(
        fc.array(fc.webUrl({ withQueryParameters: true })),
        fc.array(fc.string()),
        (urls, texts) => {
          const page = `<html>${[...urls, ...texts].map((href) => `<a href="${href}">`).join('')}`;
          for (const { name, url } of readListing(page, PLACE)) {
            expect(name).toMatch(/^[\w.+~@:-]+$/);
            expect(name).not.toContain('..');
            expect(['host', 'files.host']).toContain(new URL(url ?? '').host);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('the newest', () => {
  it('is what people mean, and no candidate for a release unless it is wanted', () => {
    const all = candidatesOf(
      listed('fix-9.patch', 'fix-10.patch', 'fix-11-rc1.patch', 'other-99.patch'),
      RULE,
    );
    expect(newestOf(all, '9', false)?.name).toBe('fix-10.patch');
    expect(newestOf(all, '9', true)?.name).toBe('fix-11-rc1.patch');
    expect(newestOf(all, '10', false)).toBeUndefined();
  });

  it('is never older than what there is, whatever a listing has lost', () => {
    const all = candidatesOf(listed('fix-1.patch', 'fix-2.patch'), RULE);
    expect(newestOf(all, '7', true)).toBeUndefined();
  });

  it("is looked for where the old one is, and where the listing says; a template's place is the only one", () => {
    const urls = ['https://a/v2/fix-2.patch', 'https://b/x/2/fix-2.patch'];
    const current = currentOf(urls, RULE);
    expect(current).toEqual({ name: 'fix-2.patch', version: '2' });
    const candidate = { name: 'fix-3.patch', version: '3', url: 'https://host/pub/patches/fix-3.patch' };
    if (current === undefined) return;
    expect(urlsOf(urls, current, candidate, RULE)).toEqual([
      'https://a/v3/fix-3.patch',
      'https://b/x/3/fix-3.patch',
      'https://host/pub/patches/fix-3.patch',
    ]);
    const templated = { ...RULE, url: 'https://c/{version}/{file}' };
    expect(urlsOf(urls, current, candidate, templated)).toEqual(['https://c/3/fix-3.patch']);
  });

  it("of a tag takes its place in the name of the tag's archive", () => {
    const rule: WatchRule = { index: 'https://api.host/x/tags', match: 'v([\\d.]+)', prereleases: false };
    const urls = ['https://host/x/archive/refs/tags/v1.2.tar.gz'];
    const current = currentOf(urls, rule);
    expect(current).toEqual({ name: 'v1.2', version: '1.2' });
    if (current === undefined) return;
    expect(urlsOf(urls, current, { name: 'v1.3', version: '1.3', url: undefined }, rule)).toEqual([
      'https://host/x/archive/refs/tags/v1.3.tar.gz',
    ]);
  });

  it('of a tag takes the place of the tag in the URL', () => {
    const rule: WatchRule = { git: 'https://host/x.git', match: 'v([\\d.]+)', prereleases: false };
    const urls = ['git+https://host/x.git#v1.2'];
    const current = currentOf(urls, rule);
    expect(current).toEqual({ name: 'v1.2', version: '1.2' });
    if (current === undefined) return;
    expect(urlsOf(urls, current, { name: 'v1.10', version: '1.10', url: undefined }, rule)).toEqual([
      'git+https://host/x.git#v1.10',
    ]);
  });
});
