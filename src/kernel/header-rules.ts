import {
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/*
 * .hdepend of 2.2 and 2.4 has a rule for each of 1,200 headers: where one that it includes, or the header of an
 * option that it names (include/config/), is newer, the header is touched. Every make of a tree, one for each of 60
 * directories, reads all of it and asks after every file. What they would come upon can be found out once, before.
 */

/** A header, and what makes it count as changed when it is newer; paths as make sees them. */
interface HeaderRule {
  readonly header: string;
  readonly on: readonly string[];
  /** The headers of options, which count where they exist. */
  readonly onOptions: readonly string[];
}

/** The rules, which make does without until they are put back, when it has built all that it was to. */
export interface HeaderRulesAside {
  /** Relative to the tree. */
  readonly touched: readonly string[];
  readonly putBack: () => void;
}

/** A tree's real directory, and the path at which make sees it. */
interface SeenTree {
  readonly top: string;
  readonly seenAs: string;
}

/**
 * Touches every header that the rules of .hdepend would, for a change of the configuration from `before` to `after`
 * that make has yet to write to include/config/, and takes the rules away.
 * @param before undefined where include/config/ is up to date
 * @returns undefined where that can't be told beforehand; then nothing was changed
 */
export function applyHeaderRules(
  tree: SeenTree,
  before: string | undefined,
  after: string,
): HeaderRulesAside | undefined {
  const file = join(tree.top, '.hdepend');
  if (!existsSync(file) || releaseIsStale(tree.top)) return undefined;
  const rules = parseHeaderRules(readFileSync(file, 'latin1'));
  if (rules === undefined) return undefined;
  const root = `${tree.seenAs}/`;
  const options = before === undefined ? [] : changedOptions(before, after);
  const stale = staleHeaders(rules, new Set(options.map((path) => root + path)), (path) =>
    path.startsWith(root) ? timeOf(join(tree.top, path.slice(root.length))) : undefined,
  );
  if (stale === undefined) return undefined;
  const touched = stale.map((path) => path.slice(root.length));
  const now = new Date();
  if (!setTimes(tree.top, touched, now)) return undefined;
  const whole = `${file}.whole`;
  renameSync(file, whole);
  writeFileSync(file, '');
  const putBack = () => {
    renameSync(whole, file);
    // Make has written them after the headers were touched, which must not count as changed for ever.
    const written = options.filter((path) => existsSync(join(tree.top, path)));
    setTimes(tree.top, written, now);
  };
  return { touched, putBack };
}

/** Gives files of a tree a time, unless one of them leads out of it: make runs in a sandbox, and this does not. */
function setTimes(top: string, paths: readonly string[], time: Date): boolean {
  const places = paths.map((path) => realpathSync(join(top, path)));
  if (!places.every((place) => place.startsWith(`${top}/`))) return false;
  for (const place of places) utimesSync(place, time, time);
  return true;
}

/** Whether make is about to write include/linux/version.h, which it does where the Makefile is newer. */
function releaseIsStale(top: string): boolean {
  const [header, makefile] = ['include/linux/version.h', 'Makefile'].map((path) => timeOf(join(top, path)));
  return header === undefined || makefile === undefined || header < makefile;
}

/** Nanoseconds since 1970, or undefined where there is no such file. */
function timeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.mtimeNs;
}

/** The rules of an .hdepend as mkdep writes them, or undefined where it has anything else. */
export function parseHeaderRules(text: string): HeaderRule[] | undefined {
  const rules: HeaderRule[] = [];
  const lines = text.replaceAll('\\\n', ' ').split('\n');
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? '';
    // The last line keeps headers from being deleted where make is interrupted in a rule of theirs.
    if (line.trim() === '' || line.startsWith('.PRECIOUS:')) continue;
    const [, header = '', list = ''] = /^(\/[^\s:$]+):(.*)$/.exec(line) ?? [];
    if (header === '' || lines[++at]?.trim() !== `@touch ${header}`) return undefined;
    const onOptions = [...list.matchAll(/\$\(wildcard (\/[^\s$()]+)\)/g)].map(([, path = '']) => path);
    const on = list
      .replaceAll(/\$\(wildcard \/[^\s$()]+\)/g, ' ')
      .split(/\s+/)
      .filter((word) => word !== '');
    if (on.some((path) => !path.startsWith('/') || /[$()%*;|:]/.test(path))) return undefined;
    rules.push({ header, on, onOptions });
  }
  return rules;
}

/**
 * The headers that make would touch, in no order.
 * @param written files that are about to be written, whatever time they have now
 * @param timeOf undefined for a file that does not exist
 * @returns undefined where a file is missing that has to be there: make knows what to do then
 */
export function staleHeaders(
  rules: readonly HeaderRule[],
  written: ReadonlySet<string>,
  timeOf: (path: string) => bigint | undefined,
): string[] | undefined {
  const times = new Map<string, bigint | undefined>();
  const time = (path: string) => {
    if (!times.has(path)) times.set(path, timeOf(path));
    return times.get(path);
  };
  const users = new Map<string, string[]>();
  const stale = new Set<string>();
  for (const { header, on, onOptions } of rules) {
    const own = time(header);
    if (own === undefined) return undefined;
    for (const path of on) {
      const other = time(path);
      if (other === undefined) return undefined;
      const known = users.get(path);
      if (known === undefined) users.set(path, [header]);
      else known.push(header);
      if (other > own || written.has(path)) stale.add(header);
    }
    for (const path of onOptions) if (written.has(path) || (time(path) ?? 0n) > own) stale.add(header);
  }
  // A set gives what is added on the way its turn as well.
  for (const header of stale) for (const user of users.get(header) ?? []) stale.add(user);
  return [...stale];
}

/** The headers below include/config/ that scripts/split-include writes for a change of the configuration. */
export function changedOptions(before: string, after: string): string[] {
  const one = new Set(optionLines(before));
  const other = new Set(optionLines(after));
  const differing = [...one]
    .filter((line) => !other.has(line))
    .concat([...other].filter((line) => !one.has(line)));
  const symbols = new Set(differing.map((line) => /CONFIG_(\w+)/.exec(line)?.[1] ?? ''));
  return [...symbols].map((symbol) => `include/config/${symbol.toLowerCase().replaceAll('_', '/')}.h`);
}

function optionLines(config: string): string[] {
  return config.split('\n').filter((line) => /^(?:CONFIG_\w+=|# CONFIG_\w+ is not set$)/.test(line));
}
