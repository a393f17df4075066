import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** What the channel of every fixture leads to. */
export const BOOT_FILE = 'lts/sample-rtl8139/boot.ipxe';

/** A bound for a node that hangs: where others keep the processors busy, one that boots takes its time. */
export const LIMIT_MS = 150_000;

/** A TFTP root with a bundle `one` that holds these files, and the channel's relative link to it. */
export async function tftpRoot(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'kiln-boot-')));
  for (const [name, content] of Object.entries(files)) {
    const path = join(root, 'bundles/one', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
  await mkdir(join(root, 'lts'));
  await symlink('../bundles/one', join(root, 'lts/sample-rtl8139'));
  return root;
}

export async function discard(root: string): Promise<void> {
  await rm(root, { recursive: true, force: true });
}

/** An iPXE script that says these lines on the console, then waits for ever. */
export function saying(...lines: string[]): string {
  return ['#!ipxe', ...lines.map((line) => `echo ${line}`), 'sleep 3600', ''].join('\n');
}

/** Processes whose command line has this text in it. */
export async function processesNaming(text: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const pid of pids) {
    // One that ends while we look has no command line any more.
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(text)) found.push(Number(pid));
  }
  return found;
}
