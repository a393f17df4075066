import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Operation } from './faults.ts';

/**
 * A disk that keeps of what was not flushed whatever it likes. Each operation has effects: names in
 * directories and bytes in files. A name is kept for certain once its directory was synced after it, bytes
 * once their file was; until then each effect may have reached the disk or not, whatever its order, and bytes
 * may have got there in half or as zeros.
 */
export interface Effect {
  /** Index of the operation in the trace. */
  readonly at: number;
  readonly kind: 'name' | 'bytes';
  /** What has to be synced for it to last: a directory, or the file. */
  readonly needs: string;
  /** Index of the operation that makes it last; Infinity for none. */
  durableAt: number;
  apply(root: (path: string) => string, how: Fate): void;
}

export type Fate = 'kept' | 'lost' | 'half' | 'zeros';

/** An operation with what it met. */
export interface Traced extends Operation {
  /** The size of the file that it appends to, before; undefined where there was none. */
  readonly size: number | undefined;
  readonly isDirectory: boolean;
}

/** Notes what an operation is about to meet; to be called before it happens. */
export function trace({ name, args }: Operation): Traced {
  const path = String(args[0]);
  const found = existsSync(path) ? lstatSync(path) : undefined;
  return {
    name,
    args,
    size: found?.isFile() ? found.size : undefined,
    isDirectory: found?.isDirectory() === true,
  };
}

/** The effects of a trace, each with the operation that makes it last. */
export function effectsOf(operations: readonly Traced[]): Effect[] {
  const effects: Effect[] = [];
  operations.forEach((operation, at) => {
    if (operation.name === 'sync') {
      const path = String(operation.args[0]);
      for (const effect of effects) {
        const wanted = operation.isDirectory ? 'name' : 'bytes';
        if (effect.kind === wanted && effect.needs === path)
          effect.durableAt = Math.min(effect.durableAt, at);
      }
      return;
    }
    effects.push(...effectsOfOne(operation, at));
  });
  return effects;
}

function effectsOfOne({ name, args, size }: Traced, at: number): Effect[] {
  const [first, second] = [String(args[0]), String(args[1])];
  const nameIn = (path: string, apply: (root: (path: string) => string) => void): Effect => ({
    at,
    kind: 'name',
    needs: dirname(path),
    durableAt: Number.POSITIVE_INFINITY,
    // What it needs may have been lost: then it is lost as well.
    apply: (root, how) => how === 'lost' || attempt(() => apply(root)),
  });
  const bytesOf = (path: string, offset: number, bytes: Uint8Array): Effect => ({
    at,
    kind: 'bytes',
    needs: path,
    durableAt: Number.POSITIVE_INFINITY,
    apply: (root, how) => how === 'lost' || attempt(() => put(root(path), offset, fated(bytes, how))),
  });
  switch (name) {
    case 'makeDirectory':
      return [nameIn(first, (root) => mkdirSync(root(first)))];
    case 'createFile':
      return [
        nameIn(first, (root) => writeFileSync(root(first), '', { flag: 'wx' })),
        bytesOf(first, 0, args[1] as Uint8Array),
      ];
    case 'append': {
      const bytes = bytesOf(first, size ?? 0, args[1] as Uint8Array);
      if (size !== undefined) return [bytes];
      return [nameIn(first, (root) => writeFileSync(root(first), '', { flag: 'wx' })), bytes];
    }
    case 'truncate':
      return [
        {
          ...bytesOf(first, 0, new Uint8Array()),
          apply: (root, how) => how === 'lost' || attempt(() => truncateSync(root(first), Number(args[1]))),
        },
      ];
    case 'chmod':
      // Without it a file is writable, which nobody relies on.
      return [];
    case 'link':
      return [nameIn(second, (root) => linkSync(root(first), root(second)))];
    case 'copy':
      return [
        nameIn(second, (root) => writeFileSync(root(second), '', { flag: 'wx' })),
        bytesOf(second, 0, readFileSync(first)),
      ];
    case 'symlink':
      return [nameIn(second, (root) => symlinkSync(first, root(second)))];
    case 'rename':
      return [nameIn(second, (root) => renameSync(root(first), root(second)))];
    case 'unlink':
    case 'removeTree':
      return [nameIn(first, (root) => rmSync(root(first), { recursive: true, force: true }))];
    default:
      throw new Error(`the model knows no ${name}`);
  }
}

function fated(bytes: Uint8Array, how: Fate): Uint8Array {
  if (how === 'half') return bytes.subarray(0, Math.floor(bytes.length / 2));
  return how === 'zeros' ? new Uint8Array(bytes.length) : bytes;
}

function put(path: string, offset: number, bytes: Uint8Array): void {
  statSync(path);
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!['ENOENT', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ENOTEMPTY'].includes(code)) throw error;
  }
}

/**
 * Every state that a power cut at any moment of a trace can leave: the fate of each effect, by its index.
 * States that come out the same are given once.
 */
export function* powerCuts(effects: readonly Effect[], operations: number): Generator<readonly Fate[]> {
  const seen = new Set<string>();
  for (let cut = 0; cut <= operations; cut += 1) {
    const begun = effects.filter(({ at }) => at < cut);
    for (const fates of combinations(begun, cut)) {
      const key = fates.join().replace(/(,?lost)+$/, '');
      if (seen.has(key)) continue;
      seen.add(key);
      yield fates;
    }
  }
}

function* combinations(effects: readonly Effect[], cut: number, from = 0): Generator<readonly Fate[]> {
  const effect = effects[from];
  if (effect === undefined) {
    yield [];
    return;
  }
  const open: readonly Fate[] = effect.kind === 'name' ? ['kept', 'lost'] : ['kept', 'lost', 'half', 'zeros'];
  const fates: readonly Fate[] = effect.durableAt < cut ? ['kept'] : open;
  for (const rest of combinations(effects, cut, from + 1)) {
    for (const fate of fates) yield [fate, ...rest];
  }
}
