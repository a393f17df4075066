import type { FileSystem } from '../../src/platform/filesystem.ts';

/** One call of the port that changes something or flushes it. */
export interface Operation {
  readonly name: keyof FileSystem;
  readonly args: readonly unknown[];
}

const READS: readonly (keyof FileSystem)[] = ['readlink', 'look', 'list'];

/**
 * The port with somebody looking on.
 * @param before told of each operation before it happens; what it throws, the caller gets instead
 * @param which `all`: reads as well
 */
export function watched(
  fs: FileSystem,
  before: (operation: Operation) => void | Promise<void>,
  which: 'changes' | 'all' = 'changes',
): FileSystem {
  return new Proxy(fs, {
    get(target, name: keyof FileSystem) {
      const call = target[name] as (...args: unknown[]) => Promise<unknown>;
      if (which === 'changes' && READS.includes(name)) return call;
      return async (...args: unknown[]) => {
        await before({ name, args });
        return call(...args);
      };
    },
  });
}

/** An error as the system gives it. */
export function errno(code: string, number: number): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: injected`), { code, errno: -number, syscall: 'injected' });
}
