import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { followFile } from '../../src/boot/follow.ts';
import { lineSplitter, run } from '../../src/platform/process.ts';
import { freshDirectory } from './kiln.ts';

/** A bare PC, as QEMU emulates it anywhere. */
const BARE = ['-accel', 'tcg', '-m', '64', '-nodefaults', '-display', 'none', '-no-reboot'];

/** A bound for what hangs: a machine that is busy with other things takes its time. */
const LIMIT_MS = 150_000;

/** Words for QEMU that put a network card into the machine, on a network with nothing but DHCP. */
export function cardArguments(device: string): string[] {
  return ['-netdev', 'user,id=net,restrict=on', '-device', `${device},netdev=net`];
}

/**
 * Boots a machine until it is off, or until its serial port said a line that was waited for; gives what that said.
 * The port writes to a file: of what it writes to a pipe QEMU drops all that does not fit, a few hundred bytes, while
 * this process does not come to read.
 */
export async function consoleOf(machine: readonly string[], until?: RegExp): Promise<string> {
  const directory = freshDirectory('console');
  const file = join(directory, 'console');
  const seen = new AbortController();
  const lines: string[] = [];
  const splitter = lineSplitter((raw) => {
    const line = raw.replaceAll('\r', '');
    lines.push(line);
    if (until?.test(line)) seen.abort();
  });
  try {
    await writeFile(file, '');
    const following = await followFile(file, (bytes) => splitter.push(bytes));
    const serial = ['-chardev', `file,id=console,path=${file}`, '-serial', 'chardev:console'];
    await run('qemu-system-i386', [...BARE, ...serial, ...machine], {
      timeoutMs: LIMIT_MS,
      signal: seen.signal,
      // What QEMU itself has to say, where it does not start.
      onLine: (line) => lines.push(line),
    }).finally(() => following.end());
    splitter.end();
  } finally {
    await rm(directory, { recursive: true });
  }
  return lines.map((line) => `${line}\n`).join('');
}
