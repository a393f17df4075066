import { isChannelName } from '../platform/channel-name.ts';
import { KilnError } from '../platform/errors.ts';

/** A file of a bundle, as it must be. */
export interface FileRecord {
  readonly size: number;
  readonly sha256: string;
}

/** A source as it was used. */
export interface SourceRecord {
  readonly name: string;
  readonly file: string;
  readonly size: number;
  readonly sha256: string;
  /** True when `--source` put another input in its place. */
  readonly substituted?: true;
}

export interface PatchRecord extends SourceRecord {
  readonly strip: number;
  readonly files: number;
  readonly hunks: number;
  /** Hunks that did not land at their stated line. */
  readonly offsets: number;
  /** Hunks that needed fuzz, which the recipe allowed. */
  readonly fuzzed: number;
}

export type GateName = 'audit' | 'verify' | 'boot';

/** How a gate ended. A failed gate never gets into a stored bundle. */
export type GateRecord =
  | { readonly status: 'passed'; readonly detail: string }
  | { readonly status: 'skipped'; readonly reason: string };

/**
 * What a bundle is and what went into it: `manifest.json`. It holds no date, host or path of the machine
 * that built it, so that the same inputs give the same manifest.
 */
export interface Manifest {
  readonly format: 'kiln-bundle/1';
  readonly id: string;
  readonly recipe: string;
  readonly variant: string;
  /** What `uname -r` says on a node that booted it. */
  readonly release: string;
  readonly arch: string;
  readonly channel: string;
  /** SHA-256 over everything that can change the bundle; the id ends in its first digits. */
  readonly key: string;
  readonly sources: {
    readonly kernel: SourceRecord;
    readonly patches: readonly PatchRecord[];
    /** The initrd's kit where it isn't Kiln's own. */
    readonly kit?: SourceRecord;
  };
  readonly config: {
    readonly base: string;
    readonly fragments: readonly string[];
    /** The base, where that is a file, and the fragments, by digest. */
    readonly inputs?: readonly { readonly name: string; readonly sha256: string }[];
    readonly requested: number;
    readonly accepted: readonly string[];
  };
  readonly toolchain: {
    readonly compiler: string;
    readonly binutils: string;
    readonly make: string;
    /** Hex SHA-256 over what the tools say of themselves, and elsewhere than on the machine over their contents. */
    readonly fingerprint: string;
    /** `chroot`, or `container`, the image's name and its id; absent: the machine's own tools. */
    readonly within?: string;
    readonly compat: readonly { readonly rule: string; readonly files: number }[] | 'off';
  };
  /** The modules' number, and `path: licence` of those that taint the kernel; bundles of before have none. */
  readonly modules?: { readonly count: number; readonly tainting: readonly string[] };
  /** How it was built. `none`: the machine has no sandbox; `off`: it was told to do without. */
  readonly build?: { readonly sandbox: 'bubblewrap' | 'container' | 'off' | 'none' };
  readonly initrd: {
    /** `builtin`, or the file that the kit came from. */
    readonly kit: string;
    /** Bundles of before have ext2 and do not say so. */
    readonly format?: string;
    readonly sizeKiB: number;
    readonly inodes: number;
  };
  readonly boot: {
    readonly cmdline: string;
    /** QEMU's model of the network card that the bundle is for, or several of them. */
    readonly nic: string | readonly string[];
    readonly expect: readonly string[];
  };
  readonly gates: Readonly<Partial<Record<GateName, GateRecord>>>;
  readonly sourceDateEpoch: number;
  /** By name, relative to the bundle; every file but those that are `UNLISTED`. */
  readonly files: Readonly<Record<string, FileRecord>>;
}

/** Files of a bundle that no manifest lists: itself, the sums, who signed them, and the log, which tells times. */
export const UNLISTED: ReadonlySet<string> = new Set([
  'manifest.json',
  'SHA256SUMS',
  'SHA256SUMS.minisig',
  'build.log',
]);

/** Files that a node loads, and that are therefore linked into the TFTP root. */
export const BOOT_FILES: readonly string[] = [
  'vmlinuz',
  'vmlinuz.nbi',
  'initrd.gz',
  'pxelinux.cfg',
  'boot.ipxe',
];

/** The manifest's bytes. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** What to do about a bundle whose manifest can't be read. */
export const REMAKE =
  'kiln build of its recipe and variant makes it again; one that no channel needs may be removed by hand';

/** Reads a manifest. @throws KilnError `integrity` when it is not one. */
export function parseManifest(text: string, file: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const manifest = value as Manifest | undefined;
  if (manifest?.format !== 'kiln-bundle/1' || typeof manifest.files !== 'object') {
    throw new KilnError('integrity', `${file} is not the manifest of a bundle`, {
      hint: REMAKE,
    });
  }
  assertNames(manifest, file);
  return manifest;
}

/** A bundle may come from anywhere, and these become paths. */
function assertNames({ id, recipe, variant, release, channel, files }: Manifest, file: string): void {
  const bad = [id, recipe, variant, release, ...Object.keys(files)].filter((name) => !isFileName(name));
  // Bundles of before may have no channel.
  if (channel !== undefined && !isChannelName(channel)) bad.push(channel);
  if (bad.length === 0) return;
  throw new KilnError('integrity', `${file} has a name that is no file's: ${JSON.stringify(bad[0])}`, {
    hint: 'it is not a bundle that Kiln has made: do not use it',
  });
}

function isFileName(name: unknown): boolean {
  return typeof name === 'string' && /^[^/\0]+$/.test(name) && name !== '.' && name !== '..';
}

/** `SHA256SUMS` as sha256sum(1) reads it: digest, two spaces, name; sorted by name. */
export function formatSums(files: Readonly<Record<string, FileRecord>>): string {
  return Object.keys(files)
    .sort()
    .map((name) => `${files[name]?.sha256}  ${name}\n`)
    .join('');
}
