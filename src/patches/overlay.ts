import { SIDE_DIRECTORY } from './names.ts';
import { ABSENT, type DiskTree, type Entry, leavesTree } from './tree.ts';

/** Where new contents wait until the whole series is known to apply: in memory, or in the side directory. */
export interface ContentStore {
  /** @param pieces the content, in order; nobody may change these bytes any more */
  put(pieces: readonly Uint8Array[], mode: number): number;
  get(id: number): Uint8Array;
  putSymlink(target: string): number;
  /** Whether so much waits to be written that whoever puts more should `settle` first. */
  readonly crowded: boolean;
  /** Waits until everything is where it belongs. @throws what writing it threw */
  settle(): Promise<void>;
}

/** Keeps contents in memory; for checks, which write nothing. */
export function memoryStore(): ContentStore {
  const contents: Uint8Array[] = [];
  return {
    put: (pieces) => contents.push(Buffer.concat(pieces)) - 1,
    get: (id) => contents[id] ?? new Uint8Array(0),
    putSymlink: () => contents.push(new Uint8Array(0)) - 1,
    crowded: false,
    settle: async () => {},
  };
}

/** A changed path: gone, or the store's content of that number. */
export type Change =
  | { readonly kind: 'absent' }
  | { readonly kind: 'file'; readonly id: number; readonly mode: number }
  | { readonly kind: 'symlink'; readonly id: number; readonly target: string };

/**
 * A tree as the patches applied so far leave it; the tree on disk stays as it is. Remembers, for the patch
 * that is being applied, what its paths held before: git's renames and copies start from there.
 */
export class Overlay {
  readonly disk: DiskTree;
  readonly changes = new Map<string, Change>();
  private readonly store: ContentStore;
  /** Paths that nothing was found at, and those of them that the series has put something at. */
  private readonly missed = new Set<string>();
  private readonly made = new Set<string>();
  private leaving: ReadonlySet<string> = new Set();
  private before = new Map<string, Change | undefined>();

  constructor(disk: DiskTree, store: ContentStore) {
    this.disk = disk;
    this.store = store;
  }

  /** @param leaving paths that the patch renames to other names */
  startPatch(leaving: ReadonlySet<string> = new Set()): void {
    this.before = new Map();
    this.leaving = leaving;
  }

  /** Whether the patch that is being applied has written this path. */
  wroteInPatch(path: string): boolean {
    return this.before.has(path) && this.changes.get(path)?.kind !== 'absent';
  }

  /** Whether a rename of the present patch starts from this path, so that another may end there. */
  vacated(path: string): boolean {
    return this.leaving.has(path);
  }

  /** @throws KilnError `integrity` when a symlink is in the way */
  read(path: string): Entry {
    this.checkWay(path);
    const change = this.changes.get(path);
    const entry = change === undefined ? this.disk.read(path) : this.entryOf(change);
    if (entry.kind === 'absent') this.missed.add(path);
    return entry;
  }

  /** What stood at `path` before the present patch. */
  readBefore(path: string): Entry {
    if (!this.before.has(path)) return this.read(path);
    this.checkWay(path);
    const change = this.before.get(path);
    return change === undefined ? this.disk.read(path) : this.entryOf(change);
  }

  exists(path: string): boolean {
    this.checkWay(path);
    const change = this.changes.get(path);
    return change === undefined ? this.disk.has(path) : change.kind !== 'absent';
  }

  write(path: string, pieces: readonly Uint8Array[], mode: number): void {
    this.change(path, { kind: 'file', id: this.store.put(pieces, mode), mode });
  }

  /** @throws KilnError `integrity` when the link would lead out of the tree */
  symlink(path: string, target: string): void {
    const hazard = linkHazard(path, target);
    if (hazard !== undefined) throw leavesTree(path, hazard);
    this.change(path, { kind: 'symlink', id: this.store.putSymlink(target), target });
  }

  /** Lets a crowded store catch up. */
  async ease(): Promise<void> {
    if (this.store.crowded) await this.store.settle();
  }

  remove(path: string): void {
    this.change(path, { kind: 'absent' });
  }

  private change(path: string, change: Change): void {
    if (!this.before.has(path)) this.before.set(path, this.changes.get(path));
    if (change.kind === 'symlink' || this.missed.has(path)) this.made.add(path);
    this.changes.set(path, change);
  }

  private entryOf(change: Change): Entry {
    if (change.kind === 'file') {
      return { kind: 'file', bytes: this.store.get(change.id), mode: change.mode };
    }
    return change.kind === 'absent' ? ABSENT : { kind: 'symlink', target: change.target };
  }

  /** Directories on the way may not be symlinks or files that the series itself made. */
  private checkWay(path: string): void {
    if (this.made.size === 0) return;
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      const way = path.slice(0, slash);
      const change = this.made.has(way) ? this.changes.get(way) : undefined;
      if (change?.kind === 'symlink') throw leavesTree(path, 'goes through a symlink that the series made');
      if (change?.kind === 'file') throw leavesTree(path, 'goes through a file that the series made');
    }
  }
}

/** Why a symlink at `path` may not point to `target`. */
function linkHazard(path: string, target: string): string | undefined {
  if (target === '' || /[\0\n]/.test(target)) return 'would be a symlink to an impossible name';
  if (target.startsWith('/')) return 'would be a symlink to an absolute name';
  const at = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') {
      if (at.pop() === undefined) return 'would be a symlink that leads out of the tree';
    } else if (part !== '' && part !== '.') at.push(part);
  }
  return at.includes(SIDE_DIRECTORY) ? `would be a symlink into ${SIDE_DIRECTORY}` : undefined;
}
