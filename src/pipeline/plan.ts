import { digestOf, sha256 } from '../platform/digest.ts';
import type { Variant } from '../recipe/variants.ts';

/** A source as the plan sees it: what it is, or that this is not known before it was fetched once. */
export interface SourceInput {
  readonly name: string;
  readonly file: string;
  readonly sha256: string | undefined;
  readonly substituted: boolean;
  /** It is a directory that is read where it stands, and needs no fetching. */
  readonly inPlace?: true;
}

/** A text that enters the configuration. */
export interface TextInput {
  readonly name: string;
  readonly file: string;
  readonly text: string;
}

/** Everything that can change a variant's bundle. */
export interface VariantInputs {
  readonly variant: Variant;
  readonly kernel: SourceInput;
  readonly patches: readonly SourceInput[];
  /** The kit of the initrd where it isn't Kiln's own. */
  readonly kit?: SourceInput;
  /** undefined: the architecture's own defconfig, which is part of the tree. */
  readonly base: TextInput | undefined;
  readonly fragments: readonly TextInput[];
  readonly toolchain: {
    readonly fingerprint: string;
    readonly description: string;
    /** Where the tools are if not on this machine. */
    readonly within?: 'chroot' | 'container';
  };
  readonly epoch: number;
  /** Versions of the code that makes each thing: another version may make other bytes. */
  readonly code: {
    readonly tree: string;
    readonly config: string;
    readonly compile: string;
    readonly initrd: string;
    readonly bundle: string;
  };
}

/** Names of the step outputs, each a digest of everything that can change it. */
export interface VariantKeys {
  readonly tree: string;
  readonly config: string;
  readonly compile: string;
  readonly bundle: string;
  /** `<version><extraversion>-<short key>` */
  readonly id: string;
  /** What `uname -r` will say. */
  readonly release: string;
}

const SHORT_KEY_DIGITS = 10;

/** The keys of a variant, or undefined while a source has never been fetched. Pure. */
export function keysOf(inputs: VariantInputs): VariantKeys | undefined {
  const { variant, code, epoch } = inputs;
  const { recipe } = variant;
  const sources = [inputs.kernel, ...inputs.patches, ...(inputs.kit === undefined ? [] : [inputs.kit])];
  if (sources.some((source) => source.sha256 === undefined)) return undefined;

  const tree = digestOf({
    code: code.tree,
    version: recipe.kernel.version,
    kernel: inputs.kernel.sha256,
    member: recipe.kernel.source.member,
    patches: inputs.patches.map(({ sha256: digest }, index) => {
      const patch = recipe.patches[index];
      return { digest, member: patch?.member, strip: patch?.strip, fuzz: patch?.fuzz };
    }),
    compat: recipe.toolchain.compat,
  });
  const config = digestOf({
    code: code.config,
    tree,
    arch: recipe.kernel.arch,
    base: inputs.base?.text,
    fragments: inputs.fragments.map(({ file, text }) => ({ file, text })),
    options: variant.options.map(({ symbol, value }) => ({ symbol, value })),
    accept: recipe.config.accept,
    // scripts/Configure runs the tree's own code with the build's tools.
    toolchain: inputs.toolchain.fingerprint,
  });
  const bundle = digestOf({
    code,
    recipe: recipe.name,
    variant: variant.name,
    config,
    extraversion: recipe.extraversion,
    release: recipe.release,
    initrd: { ...variant.initrd, kit: inputs.kit?.sha256 ?? 'builtin', root: kitRoot(variant) },
    images: { names: recipe.images, nbi: recipe.nbi, floppy: recipe.floppy },
    boot: variant.boot,
    gates: recipe.gates,
    channel: variant.channel,
    substituted: sources.filter((source) => source.substituted).map((source) => source.name),
    epoch,
  });
  const version = `${recipe.kernel.version}${recipe.extraversion}`;
  const id = `${version}-${bundle.slice(0, SHORT_KEY_DIGITS)}`;
  const release = recipe.release === 'pinned' ? version : id;
  const compile = digestOf({ code: code.compile, config, release, epoch });
  return { tree, config, compile, bundle, id, release };
}

function kitRoot({ initrd: { kit } }: Variant): string | undefined {
  return kit === 'builtin' ? undefined : kit.root;
}

/** The inputs as names and short values, for saying in words what changed between two builds. */
export function describeInputs(inputs: VariantInputs): Record<string, string> {
  const { variant } = inputs;
  const short = (text: string) => sha256(text).slice(0, 12);
  const source = (input: SourceInput) =>
    `${input.file} sha256:${input.sha256?.slice(0, 12) ?? 'not fetched yet'}${input.substituted ? ' (substituted)' : ''}`;
  return {
    kernel: source(inputs.kernel),
    ...Object.fromEntries(inputs.patches.map((patch) => [`patch ${patch.name}`, source(patch)])),
    'order of patches': inputs.patches.map((patch) => patch.name).join(', '),
    'base config': inputs.base === undefined ? 'arch' : `${inputs.base.name} ${short(inputs.base.text)}`,
    ...Object.fromEntries(inputs.fragments.map(({ name, text }) => [`fragment ${name}`, short(text)])),
    'order of fragments': inputs.fragments.map(({ name }) => name).join(', '),
    ...Object.fromEntries(variant.options.map(({ symbol, value }) => [symbol, String(value)])),
    extraversion: variant.recipe.extraversion,
    toolchain: describeToolchain(inputs.toolchain),
    'compat rules': variant.recipe.toolchain.compat,
    initrd: `${inputs.kit === undefined ? 'builtin' : source(inputs.kit)}, ${variant.initrd.format}, ${variant.initrd.size} KiB, ${variant.initrd.inodes} inodes`,
    boot: short(JSON.stringify(variant.boot)),
    channel: variant.channel,
    SOURCE_DATE_EPOCH: String(inputs.epoch),
    ...Object.fromEntries(
      Object.entries(inputs.code).map(([room, version]) => [`Kiln's ${room} code`, version]),
    ),
  };
}

function describeToolchain({ description, within, fingerprint }: VariantInputs['toolchain']): string {
  const where = within === undefined ? '' : ` in a ${within}`;
  return `${shortCompiler(description)}${where} (tools ${fingerprint.slice(0, 12)})`;
}

/** `gcc version 12.2.0 (Debian 12.2.0-14+deb12u1)` as `gcc 12.2.0-14+deb12u1`. */
function shortCompiler(said: string): string {
  const known = /^gcc version (\S+)(?: \(\w+ ([^)]+)\))?/.exec(said);
  return known === null ? said : `gcc ${known[2] ?? known[1]}`;
}

/** An input that is not what it was. */
export interface Change {
  /** As `describeInputs` names it. */
  readonly input: string;
  /** null: it is new. */
  readonly from: string | null;
  /** null: it is gone. */
  readonly to: string | null;
  /** The first step that it makes run again. */
  readonly step: KeyedStep;
}

/** Steps whose outputs have keys, in their order. */
export const KEYED_STEPS = ['tree', 'config', 'compile', 'bundle'] as const;
export type KeyedStep = (typeof KEYED_STEPS)[number];

/** What differs between two descriptions. */
export function changesBetween(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => before[name] !== after[name]);
  const changes = changed.map(
    (input): Change => ({
      input,
      from: before[input] ?? null,
      to: after[input] ?? null,
      step: firstStep(input),
    }),
  );
  return pairPatches(changes).sort((a, b) => KEYED_STEPS.indexOf(a.step) - KEYED_STEPS.indexOf(b.step));
}

/** A patch that is gone and one that is new in the same place is one whose version has changed. */
function pairPatches(changes: readonly Change[]): Change[] {
  const isPatch = ({ input }: Change) => input.startsWith('patch ');
  const gone = changes.filter((change) => isPatch(change) && change.to === null);
  const fresh = changes.filter((change) => isPatch(change) && change.from === null);
  const pairs = new Map<Change, Change>();
  for (const old of gone) {
    const next = fresh.find(
      (one) => ![...pairs.values()].includes(one) && stemOf(one.input) === stemOf(old.input),
    );
    if (next !== undefined) pairs.set(old, next);
  }
  const paired = new Set([...pairs.keys(), ...pairs.values()]);
  const name = (change: Change) => change.input.slice('patch '.length);
  return [
    ...[...pairs].map(
      ([old, next]): Change => ({ input: 'patches', from: name(old), to: name(next), step: 'tree' }),
    ),
    ...changes.filter(
      // The order is told by the patches themselves.
      (change) => !paired.has(change) && !(pairs.size > 0 && change.input === 'order of patches'),
    ),
  ];
}

/** A patch's name without the number that it ends in. */
function stemOf(name: string): string {
  return name.replace(/[-._]?\d+[a-z]?$/, '');
}

function firstStep(input: string): KeyedStep {
  if (/^(kernel|patch |order of patches|compat rules|Kiln's tree code)/.test(input)) return 'tree';
  if (/^(base config|fragment |order of fragments|CONFIG_|toolchain|Kiln's config code)/.test(input))
    return 'config';
  if (/^(extraversion|SOURCE_DATE_EPOCH|Kiln's compile code)/.test(input)) return 'compile';
  return 'bundle';
}

/** Changes in words: `fragment netboot: 1a2b -> 3c4d`, `patches: openMosix-2.4.22-2 -> openMosix-2.4.22-3`. */
export function describeChanges(changes: readonly Change[]): string[] {
  return changes.map(({ input, from, to }) => {
    if (from === null) return `${input} is new: ${to}`;
    return to === null ? `${input} is gone` : `${input}: ${from} -> ${to}`;
  });
}

/** A step of one variant's plan. */
export interface PlannedStep {
  readonly step: 'fetch' | KeyedStep;
  readonly key: string | null;
  readonly status: 'hit' | 'miss';
  /** Why it has to run; empty for a hit. */
  readonly why: string;
}

/** What is there already. */
export interface Present {
  readonly sources: Readonly<Record<string, boolean>>;
  readonly tree: boolean;
  readonly config: boolean;
  readonly compile: boolean;
  readonly bundle: boolean;
}

/**
 * The steps of a variant, each hit or miss and why. A finished bundle makes all before it hits: nothing
 * that it was made of is needed again.
 * @param changes what changed since the last build of the variant, in words; undefined when it was never built
 */
export function planSteps(
  keys: VariantKeys | undefined,
  present: Present,
  changes: readonly string[] | undefined,
): PlannedStep[] {
  const missing = Object.keys(present.sources).filter((name) => present.sources[name] !== true);
  const cause =
    changes === undefined ? 'never built' : changes.length > 0 ? changes.join('; ') : 'its output is gone';
  const order = KEYED_STEPS;
  // Everything before the last output that is there is not needed.
  const lastHit = order.findLastIndex((step) => present[step]);
  const steps: PlannedStep[] = [
    lastHit >= 0 || missing.length === 0
      ? { step: 'fetch', key: null, status: 'hit', why: '' }
      : { step: 'fetch', key: null, status: 'miss', why: `not in the store: ${missing.join(', ')}` },
  ];
  order.forEach((step, index) => {
    const hit = index <= lastHit;
    steps.push({
      step,
      key: keys?.[step] ?? null,
      status: hit ? 'hit' : 'miss',
      why: hit
        ? ''
        : index === lastHit + 1
          ? keys === undefined
            ? 'sources not fetched yet'
            : cause
          : `${order[index - 1]} has to run`,
    });
  });
  return steps;
}
