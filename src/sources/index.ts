/** Fetch, verify and unpack what comes from outside. */
export { decompress, type Packing, packingOf } from './compression.ts';
export { fetchSource } from './fetch.ts';
export { badName } from './members.ts';
export { MAX_PATCH_BYTES, readPatchBytes } from './patchBytes.ts';
export { digestTree, type TreeDigest } from './treeDigest.ts';
export type { FetchedSource, FetchOptions, Patience, SourceEvent, SourceSpec } from './types.ts';
export { type Unpacked, type UnpackTreeOptions, unpackTree } from './unpack.ts';
