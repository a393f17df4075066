export { type AuditEntry, type AuditReport, type AuditStatus, auditConfig, describeEntry } from './audit.ts';
export { type ConfigTree, loadTree, type SourceReader } from './cml1/tree.ts';
export { parseDotConfig, sameValue } from './dotconfig.ts';
export { type Fragment, parseFragment, type Requested } from './fragment.ts';
export { type Conflict, describeConflict, type Merged, mergeFragments, refuseConflicts } from './merge.ts';
