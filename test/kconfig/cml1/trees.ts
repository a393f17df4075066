import type { SourceReader } from '../../../src/kconfig/index.ts';

/** A tree of a few files in memory: the resolver takes files from whoever calls it. */
export function treeOf(files: Readonly<Record<string, string>>): SourceReader {
  return { read: (path) => files[path] };
}
