/** Fetch, verify and unpack what comes from outside. */
export { isArchive, type MemberPath } from './archiveMember.ts';
export { decompress, type Packing, packingOf } from './compression.ts';
export { describeSourceEvent } from './describe.ts';
export { fetchSource } from './fetch.ts';
export { gitEnvironment } from './gitRef.ts';
export { explain, request, retryAfterMs, TransferError } from './http.ts';
export { type Location, locate, sourceFileName } from './locate.ts';
export { badName } from './members.ts';
export { MAX_PATCH_BYTES, readPatchBytes } from './patchBytes.ts';
export { describeMismatch, findMismatch, type Pins, pinsOf } from './pins.ts';
export { isRpm } from './rpm.ts';
export { isDirectory } from './substitute.ts';
export { digestTree, type TreeDigest } from './treeDigest.ts';
export type { FetchedSource, FetchOptions, Patience, SourceEvent, SourceSpec } from './types.ts';
export { type Unpacked, type UnpackTreeOptions, unpackTree } from './unpack.ts';
