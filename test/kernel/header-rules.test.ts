import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyHeaderRules, changedOptions } from '../../src/kernel/header-rules.ts';
import { output } from '../../src/platform/process.ts';

let top: string;
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'kiln-headers-')));
  put('Makefile', 2000);
  put('include/linux/version.h', 2000);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const seconds = (year: number) => Date.UTC(year, 0, 1) / 1000;

function put(path: string, year: number, text = ''): void {
  mkdirSync(dirname(join(top, path)), { recursive: true });
  writeFileSync(join(top, path), text);
  utimesSync(join(top, path), seconds(year), seconds(year));
}

/** As scripts/mkdep writes it, of paths below the tree. */
function rule(header: string, on: readonly string[], options: readonly string[] = []): string {
  const words = [
    ...on.map((path) => `${top}/${path}`),
    ...options.map((path) => `$(wildcard ${top}/${path})`),
  ];
  return `${top}/${header}:${words.map((word) => ` \\\n   ${word}`).join('')}\n\t@touch ${top}/${header}\n`;
}

const tree = () => ({ top, seenAs: top });
const isNew = (path: string) => statSync(join(top, path)).mtimeMs > Date.UTC(2020);

interface Header {
  readonly year: number;
  readonly on: readonly number[];
  /** The year of the option that it names, 0 where there is no such option. */
  readonly option: number | undefined;
}

/** Up to nine headers; each includes some, only ones before it unless there may be circles. */
function headers(circles: boolean): fc.Arbitrary<readonly Header[]> {
  return fc.integer({ min: 1, max: 9 }).chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, (_, index) =>
        fc.record({
          year: fc.integer({ min: 2000, max: 2003 }),
          on: fc.uniqueArray(fc.integer({ min: 0, max: circles ? count - 1 : Math.max(0, index - 1) }), {
            maxLength: circles || index > 0 ? 3 : 0,
          }),
          option: fc.option(fc.constantFrom(0, 2000, 2002), { nil: undefined }),
        }),
      ),
    ),
  );
}

/** Lays out headers and their rules. */
function layOut(all: readonly Header[]): string[] {
  rmSync(join(top, 'include/config'), { recursive: true, force: true });
  const names = all.map((_, index) => `include/h${index}.h`);
  for (const [index, { year, option }] of all.entries()) {
    put(names[index] ?? '', year);
    if (option !== undefined && option > 0) put(`include/config/o${index}.h`, option);
  }
  const rules = all.map(({ on, option }, index) => {
    const others = on.filter((other) => other !== index).map((other) => names[other] ?? '');
    return rule(names[index] ?? '', others, option === undefined ? [] : [`include/config/o${index}.h`]);
  });
  writeFileSync(join(top, '.hdepend'), rules.join(''));
  return names;
}

/** What make itself touches. */
async function touchedByMake(names: readonly string[]): Promise<string[]> {
  const goals = names.map((name) => `${top}/${name}`).join(' ');
  writeFileSync(join(top, 'all.mk'), `all: ${goals}\ninclude ${top}/.hdepend\n`);
  await output('make', ['-C', top, '-f', 'all.mk', 'all']);
  return names.filter(isNew);
}

describe('the rules of .hdepend', () => {
  it('are applied as make applies them', async () => {
    await fc.assert(
      fc.asyncProperty(headers(false), async (all) => {
        const names = layOut(all);
        const wanted = await touchedByMake(names);
        layOut(all);
        const aside = applyHeaderRules(tree(), undefined, '');
        expect([...(aside?.touched ?? [])].sort()).toEqual(wanted.sort());
        expect(names.filter(isNew).sort()).toEqual(wanted);
        aside?.putBack();
      }),
      { numRuns: 60 },
    );
  });

  it('touch no less than make does where headers include one another, which make passes over', async () => {
    await fc.assert(
      fc.asyncProperty(headers(true), async (all) => {
        const names = layOut(all);
        const wanted = await touchedByMake(names);
        layOut(all);
        applyHeaderRules(tree(), undefined, '')?.putBack();
        expect(wanted.filter((name) => !isNew(name))).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('know what a change of the configuration is about to write', () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) put(`include/${name}.h`, 2000);
    const rules = [
      rule('include/a.h', [], ['include/config/net/isa.h']),
      rule('include/b.h', ['include/a.h']),
      rule('include/c.h', [], ['include/config/new/one.h']),
      rule('include/d.h', [], ['include/config/same.h']),
      rule('include/e.h', ['include/d.h']),
    ];
    writeFileSync(join(top, '.hdepend'), rules.join(''));
    const before = 'CONFIG_NET_ISA=y\nCONFIG_SAME=y\n# a remark\n';
    const after = '# CONFIG_NET_ISA is not set\nCONFIG_SAME=y\nCONFIG_NEW_ONE=y\n';
    expect(changedOptions(before, after).sort()).toEqual([
      'include/config/net/isa.h',
      'include/config/new/one.h',
    ]);
    const aside = applyHeaderRules(tree(), before, after);
    expect([...(aside?.touched ?? [])].sort()).toEqual(['include/a.h', 'include/b.h', 'include/c.h']);
  });

  it('touch a header once for a change, however often the tree is built afterwards', () => {
    put('include/a.h', 2000);
    put('include/config/net/isa.h', 2000);
    writeFileSync(join(top, '.hdepend'), rule('include/a.h', [], ['include/config/net/isa.h']));
    const after = 'CONFIG_NET_ISA=y\n';
    const aside = applyHeaderRules(tree(), '', after);
    expect(aside?.touched).toEqual(['include/a.h']);
    // As split-include does, in the midst of what make builds.
    put('include/config/net/isa.h', 2100);
    aside?.putBack();
    const again = applyHeaderRules(tree(), after, after);
    expect(again?.touched).toEqual([]);
    again?.putBack();
  });

  it('are out of the way of make until they are put back', () => {
    put('include/a.h', 2000);
    const text = `${rule('include/a.h', [])}.PRECIOUS:\t${top}/include/a.h \\\n\n`;
    put('.hdepend', 2001, text);
    const aside = applyHeaderRules(tree(), undefined, '');
    expect(readFileSync(join(top, '.hdepend'), 'latin1')).toBe('');
    aside?.putBack();
    expect(readFileSync(join(top, '.hdepend'), 'latin1')).toBe(text);
    expect(statSync(join(top, '.hdepend')).mtimeMs).toBe(seconds(2001) * 1000);
    expect(existsSync(join(top, '.hdepend.whole'))).toBe(false);
  });

  const unsure: readonly [string, (lines: string) => string][] = [
    ['a rule of another kind', (lines) => `${lines}all: include/a.h\n\techo\n`],
    ['a rule that does more than touch', (lines) => lines.replace('@touch', '@rm')],
    ['a function that is not known', (lines) => lines.replace('b.h', 'b.h $(shell date)')],
    ['a header that is not there', (lines) => lines.replace('b.h', 'c.h')],
    ['a header that is not of the tree', (lines) => lines.replace(`${top}/include/b.h`, '/etc/passwd')],
  ];
  it.each(unsure)('are left to make where there is %s', (_what, change) => {
    put('include/a.h', 2000);
    put('include/b.h', 2001);
    const text = change(rule('include/a.h', ['include/b.h']));
    writeFileSync(join(top, '.hdepend'), text);
    expect(applyHeaderRules(tree(), '', 'CONFIG_X=y\n')).toBeUndefined();
    expect(readFileSync(join(top, '.hdepend'), 'latin1')).toBe(text);
    expect(isNew('include/a.h')).toBe(false);
  });

  it('touch nothing outside of the tree', () => {
    const outside = mkdtempSync(join(tmpdir(), 'kiln-outside-'));
    try {
      writeFileSync(join(outside, 'a.h'), '');
      utimesSync(join(outside, 'a.h'), seconds(2000), seconds(2000));
      symlinkSync(outside, join(top, 'include/asm'));
      put('include/b.h', 2001);
      writeFileSync(join(top, '.hdepend'), rule('include/asm/a.h', ['include/b.h']));
      expect(applyHeaderRules(tree(), undefined, '')).toBeUndefined();
      expect(isNew('include/asm/a.h')).toBe(false);
    } finally {
      rmSync(outside, { recursive: true });
    }
  });

  it('are left to make where it is about to write version.h anew, which half of all headers include', () => {
    put('include/a.h', 2000);
    put('Makefile', 2001);
    writeFileSync(join(top, '.hdepend'), rule('include/a.h', ['include/linux/version.h']));
    expect(applyHeaderRules(tree(), '', '')).toBeUndefined();
  });
});
