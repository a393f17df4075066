export { listMembers, packReproducibly } from './archive.ts';
export { type BundleDifference, diffBundles, type SizeDifference } from './diff.ts';
export {
  bundleDirectory,
  findBundle,
  listBundles,
  readBundle,
  readBundleIfSound,
  readStored,
  type StoredBundle,
  surveyBundles,
  type UnreadableBundle,
} from './find.ts';
export { inspectBundle, signatureFaults } from './inspect.ts';
export {
  BOOT_FILES,
  type FileRecord,
  formatManifest,
  formatSums,
  type GateName,
  type GateRecord,
  type Manifest,
  type PatchRecord,
  parseManifest,
  type SourceRecord,
  UNLISTED,
} from './manifest.ts';
export {
  formatPublicKey,
  keyName,
  type PublicKey,
  parsePublicKey,
  publicKeyLine,
  type SignatureVerdict,
} from './minisign.ts';
export { isModule, type ModuleMember, readModuleArchive } from './modules.ts';
export {
  checkSignature,
  publicKeyPath,
  SIGNATURE,
  signatureOf,
  signingKey,
  signingKeyPath,
  trustedDirectory,
  trustedKeys,
} from './signature.ts';
export { adoptBundle, commitBundle, recordFiles, writeProvenance, writeRecords } from './store.ts';
export { assertBundle, assertFiles, type BundleFault, checkBundle } from './verify.ts';
