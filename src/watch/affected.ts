import {
  changesBetween,
  describeChanges,
  describeInputs,
  keysOf,
  type SourceInput,
  type VariantInputs,
} from '../pipeline/plan.ts';

/** What a variant was made of when it was last looked at. */
export interface Seen {
  /** Digest of everything in the recipe and its files that can change the bundle. */
  readonly key: string;
  /** Digest of what decides the source tree: kernel and patches. */
  readonly tree: string;
  /** The inputs in words, as `describeInputs` has them, without this machine's part. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** Digests of a recipe's sources by name; null for one that was never fetched. */
export type SourceDigests = Readonly<
  Record<string, { readonly file: string; readonly sha256: string | null }>
>;

/** A variant's inputs as far as its recipe decides them. */
export type RecipeInputs = Pick<
  VariantInputs,
  'variant' | 'kernel' | 'patches' | 'kit' | 'base' | 'fragments'
>;

/** What this machine and this Kiln bring to a build; a watcher asks what people have changed. */
const MACHINE: Pick<VariantInputs, 'toolchain' | 'epoch' | 'code'> = {
  toolchain: { fingerprint: '', description: '' },
  epoch: 0,
  code: { tree: '', config: '', compile: '', initrd: '', bundle: '' },
};

const OF_MACHINE = /^(toolchain|SOURCE_DATE_EPOCH|Kiln's \w+ code)$/;

/** A variant as it is now. */
export function seeVariant(inputs: RecipeInputs): Seen {
  const all = { ...inputs, ...MACHINE, kernel: known(inputs.kernel), patches: inputs.patches.map(known) };
  const keys = keysOf(inputs.kit === undefined ? all : { ...all, kit: known(inputs.kit) });
  if (keys === undefined) throw new Error('every source has a digest here');
  return { key: keys.bundle, tree: keys.tree, inputs: recipePart(describeInputs({ ...inputs, ...MACHINE })) };
}

/** A source that was never fetched is told by its file's name. */
function known(source: SourceInput): SourceInput {
  return source.sha256 === undefined ? { ...source, sha256: `not fetched: ${source.file}` } : source;
}

/** Inputs in words, without those that are this machine's and this Kiln's. */
export function recipePart(inputs: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !OF_MACHINE.test(name)));
}

/**
 * A source for comparing with what was seen before: a digest that is known on one side alone, of the same file, is no
 * change, but a first fetch.
 */
export function comparable(source: SourceInput, before: SourceDigests | undefined): SourceInput {
  const seen = before?.[source.name];
  if (seen === undefined || seen.file !== source.file) return source;
  if (source.sha256 !== undefined && seen.sha256 !== null) return source;
  return { ...source, sha256: seen.sha256 ?? undefined };
}

/** Why a variant is not what it was, in words; undefined where it is. */
export function whyAffected(before: Seen, now: Seen): string[] | undefined {
  if (before.key === now.key) return undefined;
  const changes = describeChanges(changesBetween(before.inputs, now.inputs));
  return changes.length > 0 ? changes : ['the recipe'];
}

/**
 * Why a variant is not what it was at its last build, where nobody had looked before; undefined where it is, and where
 * the build had another source put in a source's place.
 */
export function whyAffectedSinceBuild(
  built: Readonly<Record<string, string>>,
  now: Seen,
): string[] | undefined {
  const before = recipePart(built);
  if (Object.values(before).some((input) => input.includes('(substituted)'))) return undefined;
  const changes = changesBetween(before, now.inputs).filter(
    ({ to }) => to === null || !to.includes('not fetched yet'),
  );
  return changes.length > 0 ? describeChanges(changes) : undefined;
}
