import { KilnError } from '../../platform/errors.ts';
import { type AuditReport, auditConfig } from '../audit.ts';
import { diffConfigs } from '../diff.ts';
import type { Requested } from '../fragment.ts';
import { parseBase, type Values } from './base.ts';
import { type Resolved, resolve } from './resolve.ts';
import { Trace } from './trace.ts';
import { type ConfigTree, findSites, loadTree, type Site, type SourceReader } from './tree.ts';
import { type Known, why } from './why.ts';

export type ResolveInput = (
  | { readonly tree: ConfigTree }
  | { readonly arch: string; readonly reader: SourceReader }
) & {
  /** `.config` text to begin with; what is requested goes on top of it. */
  readonly base: string;
  /** What messages call the base; `base .config` by default. */
  readonly baseName?: string;
  /** In order of precedence, lowest first, as `mergeFragments` gives them. */
  readonly requested: readonly Requested[];
  /**
   * Resolve the result again until nothing changes any more, as a build needs it: a question that comes
   * before what it depends on looks at old values, so that oldconfig run twice can differ from once.
   */
  readonly settle?: boolean;
};

/** One pass more settles whatever the trees of 2.2 and 2.4 hold; what goes round in a circle never does. */
const MAX_PASSES = 10;

export interface ResolvedConfig {
  /** The final `.config`, byte for byte what `yes "" | make oldconfig` gives (latin1). */
  readonly dotConfig: string;
  /** include/linux/autoconf.h, likewise. */
  readonly autoconf: string;
  /** How often the questions were gone through: 1 unless `settle` took more. */
  readonly passes: number;
  readonly audit: AuditReport;
}

/**
 * Resolves a base and what fragments ask for by the rules of a 2.2 or 2.4 tree, without running any of its
 * code, and says of every request what became of it and why. `loadTree` once and give `tree` when many
 * configurations of one tree are to be resolved.
 * @throws KilnError `invalid` with file and line: a Config.in or base that can't be read, a value that a
 *   question does not accept; with `settle`, a configuration that each pass changes again.
 */
export function resolveConfig(input: ResolveInput): ResolvedConfig {
  const tree = 'tree' in input ? input.tree : loadTree(input.reader, input.arch);
  const base = parseBase(input.base, input.baseName ?? 'base .config');
  let start = withRequests(base, input.requested);
  let resolved = resolve(tree, start);
  let passes = 1;
  while (input.settle === true) {
    const again = parseBase(resolved.dotConfig, '.config');
    const next = resolve(tree, again);
    if (next.dotConfig === resolved.dotConfig) break;
    if (passes >= MAX_PASSES) throw unsettled(resolved.dotConfig, next.dotConfig);
    start = again;
    resolved = next;
    passes += 1;
  }
  const audit = auditResolved(tree, base, start, input.requested, resolved);
  return { dotConfig: resolved.dotConfig, autoconf: resolved.autoconf, passes, audit };
}

function unsettled(one: string, other: string): KilnError {
  const symbols = diffConfigs(one, other).map(({ symbol }) => symbol);
  return new KilnError(
    'invalid',
    `the configuration does not settle: each pass changes ${symbols.join(', ')}`,
    {
      hint: "these options' statements contradict each other; leave one of them out",
    },
  );
}

/** The values that a run begins with: the base, then every request in turn. */
export function withRequests(base: ReadonlyMap<string, string>, requested: readonly Requested[]): Values {
  const values: Values = new Map(base);
  for (const { symbol, want } of requested) values.set(symbol, want.replace(/^"(.*)"$/, '$1'));
  return values;
}

function auditResolved(
  tree: ConfigTree,
  base: ReadonlyMap<string, string>,
  start: ReadonlyMap<string, string>,
  requested: readonly Requested[],
  resolved: Resolved,
): AuditReport {
  const sites = sitesOf(tree);
  const symbols = new Set(sites.keys());
  const plain = auditConfig(requested, resolved.dotConfig, symbols);
  if (plain.requested.every(({ status }) => status === 'ok')) return plain;
  const trace = new Trace();
  const { values } = resolve(tree, start, trace);
  const known: Known = { tree, sites, trace, values, base, requested };
  return auditConfig(requested, resolved.dotConfig, symbols, ({ symbol }) => why(known, symbol));
}

const cachedSites = new WeakMap<ConfigTree, ReadonlyMap<string, readonly Site[]>>();

/** `findSites`, once per tree. */
export function sitesOf(tree: ConfigTree): ReadonlyMap<string, readonly Site[]> {
  let sites = cachedSites.get(tree);
  if (sites === undefined) {
    sites = findSites(tree);
    cachedSites.set(tree, sites);
  }
  return sites;
}

/** Runs a configuration with everything recorded, for explanations of any symbol. */
export function investigate(
  tree: ConfigTree,
  base: ReadonlyMap<string, string>,
  requested: readonly Requested[],
): Known {
  const trace = new Trace();
  const { values } = resolve(tree, withRequests(base, requested), trace);
  return { tree, sites: sitesOf(tree), trace, values, base, requested };
}
