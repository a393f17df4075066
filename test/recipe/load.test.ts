import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatPlace, KilnError } from '../../src/platform/errors.ts';
import { channelOf, parseRecipe } from '../../src/recipe/load.ts';
import { recipeJsonSchema } from '../../src/recipe/schema.ts';
import { expandVariant } from '../../src/recipe/variants.ts';

const GOOD = `
name: demo
kernel:
  version: 2.4.22
  source:
    urls: [https://example.org/linux-2.4.22.tar.bz2]
    md5: 75dc85149b06ac9432106b8941eb9f7b
patches:
  - name: om
    urls: [om.bz2]
config:
  fragments: [netboot]
  options: {CONFIG_SMP: n}
variants:
  a: {fragments: [nic/8139too], boot: {nic: rtl8139}, initrd: {size: 3000}}
  b:
initrd: {size: 2000, inodes: 200}
boot: {cmdline: console=ttyS0, timeout: 90}
channel: lts/{recipe}-{variant}
`;

function faultOf(text: string): KilnError {
  try {
    parseRecipe(text, 'demo.yaml');
  } catch (error) {
    if (error instanceof KilnError) return error;
    throw error;
  }
  throw new Error('the recipe was accepted');
}

describe('a recipe', () => {
  it('that leaves everything optional out gets the defaults', () => {
    const { recipe } = parseRecipe(GOOD, 'demo.yaml');
    expect(recipe.patches[0]).toMatchObject({ strip: 1, fuzz: 0 });
    expect(recipe.images).toEqual(['pxe', 'ipxe']);
    expect(recipe.gates).toEqual(['audit', 'verify', 'boot']);
    expect(recipe.toolchain).toEqual({ compiler: 'gcc', compat: 'auto' });
    expect(recipe.release).toBe('unique');
  });

  it("gives each variant its own settings over the recipe's", () => {
    const file = parseRecipe(GOOD, 'demo.yaml');
    const a = expandVariant(file, 'a');
    expect(a.fragments.map(({ name }) => name)).toEqual(['netboot', 'nic/8139too']);
    expect(a.initrd).toEqual({ kit: 'builtin', format: 'ext2', size: 3000, inodes: 200 });
    expect(a.boot).toEqual({ cmdline: 'console=ttyS0', timeout: 90, nic: 'rtl8139' });
    expect(expandVariant(file, 'b').initrd.size).toBe(2000);
    expect(a.channel).toBe('lts/demo-a');
    expect(channelOf(file.recipe, 'b')).toBe('lts/demo-b');
  });

  it('takes digests, versions and hexadecimal options as written, though they look like numbers', () => {
    const text = GOOD.replace('75dc85149b06ac9432106b8941eb9f7b', '0'.repeat(32)).replace(
      'CONFIG_SMP: n',
      'CONFIG_IO: 0x0300',
    );
    const { recipe } = parseRecipe(`${text}extraversion: -1\n`, 'demo.yaml');
    expect(recipe.kernel.source.md5).toBe('0'.repeat(32));
    expect(recipe.config.options.CONFIG_IO).toBe('0x0300');
    expect(recipe.extraversion).toBe('-1');
  });

  it('names the variants there are when asked for another', () => {
    expect(() => expandVariant(parseRecipe(GOOD, 'demo.yaml'), 'c')).toThrow(/has no variant c/);
  });

  it.each([
    [
      'a setting that there is not',
      GOOD.replace('channel:', 'chanel:'),
      /^demo\.yaml:\d+:1$/,
      /chanel: there is no such setting|channel: is missing/,
    ],
    [
      'a digest of the wrong length',
      GOOD.replace('75dc85149b06ac9432106b8941eb9f7b', '75dc'),
      /^demo\.yaml:7:5$/,
      /32 lower-case hexadecimal digits/,
    ],
    [
      'a strip level out of range',
      GOOD.replace('urls: [om.bz2]', 'urls: [om.bz2]\n    strip: 12'),
      /^demo\.yaml:11:5$/,
      /patches\.0\.strip/,
    ],
    ['a symbol that is none', GOOD.replace('CONFIG_SMP', 'SMP'), /^demo\.yaml:13:/, /CONFIG_8139TOO/],
    [
      'no variants',
      GOOD.replace(/variants:[\s\S]*?\ninitrd/, 'variants: {}\ninitrd'),
      /^demo\.yaml:14:1$/,
      /at least one variant/,
    ],
    [
      'a channel outside the TFTP root',
      GOOD.replace('lts/{recipe}', '../{recipe}'),
      /^demo\.yaml:\d+:1$/,
      /below the TFTP root/,
    ],
    [
      'a channel that would hide the bundles',
      GOOD.replace('lts/{recipe}-{variant}', 'bundles/{variant}'),
      /^demo\.yaml:\d+:1$/,
      /below the TFTP root/,
    ],
    [
      'one channel for two variants',
      GOOD.replace('-{variant}', ''),
      /^demo\.yaml:\d+:1$/,
      /variants a and b would both publish/,
    ],
    ['a name used twice', GOOD.replace('name: om', 'name: kernel'), /^demo\.yaml:9:5$/, /used twice/],
    [
      'a channel of one variant that would hide the bundles',
      GOOD.replace('lts/{recipe}-{variant}', "'{variant}'").replace('  b:', '  bundles:'),
      /^demo\.yaml:\d+:1$/,
      /"bundles" can't be a channel's name/,
    ],
    [
      "a watcher's channel outside the TFTP root",
      `${GOOD}watch: {policy: testing, channel: ../{variant}}\n`.replace('../{variant}', "'../{variant}'"),
      /^demo\.yaml:\d+:26$/,
      /watch\.channel: "\.\.\/a" can't be/,
    ],
    ['an alias of nothing', GOOD.replace('  b:', '  b: *nothing'), /:16:6$/, /no anchor &nothing/],
    [
      'aliases that multiply',
      `${GOOD}x0: &x0 [a]\n${[1, 2, 3].map((n) => `x${n}: &x${n} [${`*x${n - 1},`.repeat(9)}]\n`).join('')}`,
      /^demo\.yaml:1:1$/,
      /multiply without end/,
    ],
    [
      'one key twice, as a number and as text',
      GOOD.replace('  b:', "  586: {fragments: [cpu/586]}\n  '586':"),
      /^demo\.yaml:17:3$/,
      /twice/,
    ],
    ['a tag that nobody knows', GOOD.replace('name: demo', 'name: !x demo'), /^demo\.yaml:2:7$/, /tag/],
    ['a variant called __proto__', GOOD.replace('  b:', '  __proto__:'), /^demo\.yaml:16:3$/, /no name/],
    ['a second document', `${GOOD}---\n${GOOD}`, /^demo\.yaml:20:1$/, /a second document begins here/],
    ['a NUL', GOOD.replace('[netboot]', '["net\\0boot"]'), /^demo\.yaml:12:15$/, /NUL/],
    [
      'an option of two lines',
      GOOD.replace('CONFIG_SMP: n', 'CONFIG_SMP: "n\\nCONFIG_NET=n"'),
      /^demo\.yaml:13:/,
      /a value of one line/,
    ],
    [
      'an option with letters that no .config has',
      GOOD.replace('CONFIG_SMP: n', 'CONFIG_X: "€"'),
      /^demo\.yaml:13:/,
      /in ASCII/,
    ],
    [
      'an option that is a list',
      GOOD.replace('CONFIG_SMP: n', 'CONFIG_SMP: [n]'),
      /:13:/,
      /expected string or number/,
    ],
    [
      'a pattern for the console that is none',
      GOOD.replace('timeout: 90', 'expect: [/a(/]'),
      /^demo\.yaml:18:/,
      /regular expression/,
    ],
    ['what is not YAML', `${GOOD}]\n`, /^demo\.yaml:\d+:\d+$/, /not valid YAML/],
    ['a list where a mapping is expected', '- a\n- b\n', /^demo\.yaml:1:1$/, /the recipe/],
  ])('with %s is refused with its place and what was expected', (_what, text, place, sentence) => {
    const error = faultOf(text);
    expect(error.kind).toBe('invalid');
    expect(formatPlace(error.place ?? { file: '' })).toMatch(place);
    expect([error.message, ...error.lines].join('\n')).toMatch(sentence);
    expect(error.hint).toBeTruthy();
  });

  it.each(['toString', 'constructor', '__proto__'])('has no variant %s unless it is written', (name) => {
    expect(() => expandVariant(parseRecipe(GOOD, 'demo.yaml'), name)).toThrow(/no variant/);
  });

  it('with several faults is told all of them at once', () => {
    const error = faultOf(GOOD.replace('2.4.22\n', 'two\n').replace('size: 2000', 'size: -1'));
    expect(1 + error.lines.length).toBe(2);
  });

  it('of any text at all is a recipe or a KilnError with a place', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200, unit: 'binary' }), (text) => {
        expect(faultOf(text).place?.file).toBe('demo.yaml');
      }),
    );
  });
});

describe('the JSON Schema', () => {
  it('requires what the loader requires, and allows nothing else', () => {
    const schema = recipeJsonSchema() as { required: string[]; additionalProperties: boolean };
    expect([...schema.required].sort()).toEqual(['channel', 'kernel', 'name', 'variants']);
    expect(schema.additionalProperties).toBe(false);
  });
});
