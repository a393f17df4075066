import { copyFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';

/** What a boot medium is made of, as paths on this machine. */
export interface MediumRequest {
  /** Directory for files on the way. */
  readonly workDirectory: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
  /** What the node's screen says is being booted. */
  readonly label: string;
  /** Seconds since 1970: the one time that stands on the medium. */
  readonly epoch: number;
  readonly signal?: AbortSignal;
  readonly log?: string;
}

/** SYSLINUX's configuration for a medium that has `vmlinuz` and `initrd.gz` beside it. */
export function localConfig({ cmdline, label }: Pick<MediumRequest, 'cmdline' | 'label'>): string {
  return `# ${label}, made by Kiln
DEFAULT kiln
PROMPT 0
TIMEOUT 100
ONTIMEOUT kiln
SAY Kiln: ${label}

LABEL kiln
  KERNEL vmlinuz
  APPEND ${`${cmdline} initrd=initrd.gz`.trimStart()}
`;
}

/** Copies a file into a directory under a name of its own, with the medium's time. */
export async function place(from: string, directory: string, name: string, epoch: number): Promise<string> {
  const path = join(directory, name);
  await copyFile(from, path);
  await utimes(path, epoch, epoch);
  return path;
}
