import type { IndexedModule } from './maps.ts';
import type { ModuleFacts } from './module.ts';

/** A symbol that neither the kernel nor any module has. */
export interface Unresolved {
  readonly module: string;
  readonly symbol: string;
}

export interface Resolution {
  readonly modules: readonly IndexedModule[];
  readonly unresolved: readonly Unresolved[];
}

/** What insmod puts in by itself (modutils, addksyms). */
const OF_INSMOD: readonly string[] = ['mod_use_count_', '__this_module'];

/** The suffix that MODVERSIONS puts on a symbol: `_R` and eight hexadecimal digits, `_Rsmp_` with SMP. */
const VERSION_SUFFIX = /_R(?:[A-Za-z0-9_]*_)?[0-9a-f]{8}$/;

/** Symbols that a 2.2 or 2.4 kernel exports, by its System.map: `__kstrtab_<symbol>` is one's name. */
export function kernelExports(systemMap: string): Set<string> {
  const exported = new Set<string>();
  for (const [, symbol = ''] of systemMap.matchAll(/^\S+ \S __kstrtab_(?:GPLONLY_)?(\S+)$/gm)) {
    exported.add(symbol);
  }
  return exported;
}

/**
 * Finds for each module which others it needs, as depmod of modutils does: the kernel's symbol comes before any
 * module's, one's own before another's, one of the same directory before others, the first path before later
 * ones. A symbol with a version is that of the same version, or one without any.
 */
export function resolveModules(modules: readonly ModuleFacts[], kernel: ReadonlySet<string>): Resolution {
  const sorted = [...modules].sort((one, other) => (one.path < other.path ? -1 : 1));
  const own = new Set([...kernel, ...OF_INSMOD]);
  const exporters = new Map<string, ModuleFacts[]>();
  for (const module of sorted) {
    for (const symbol of new Set(module.exports)) {
      exporters.set(symbol, [...(exporters.get(symbol) ?? []), module]);
    }
  }
  const unresolved: Unresolved[] = [];
  const indexed = sorted.map((module): IndexedModule => {
    const dependencies = new Set<string>();
    for (const symbol of module.needs) {
      if (namesOf(symbol).some((name) => own.has(name))) continue;
      const found = namesOf(symbol).flatMap((name) => exporters.get(name) ?? []);
      const [first] = found;
      if (first === undefined) unresolved.push({ module: module.path, symbol });
      else if (!found.includes(module)) dependencies.add((neighbour(module, found) ?? first).path);
    }
    return { ...module, dependencies: [...dependencies] };
  });
  return { modules: indexed, unresolved };
}

/** A symbol as it is, and without its version. */
function namesOf(symbol: string): string[] {
  const bare = symbol.replace(VERSION_SUFFIX, '');
  return bare === symbol ? [symbol] : [symbol, bare];
}

function neighbour(module: ModuleFacts, candidates: readonly ModuleFacts[]): ModuleFacts | undefined {
  const directory = (path: string) => path.slice(0, path.lastIndexOf('/'));
  return candidates.find(({ path }) => directory(path) === directory(module.path));
}
