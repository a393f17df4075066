import { run } from '../../src/platform/process.ts';

/** A bare PC whose serial port is the standard output, as QEMU emulates it anywhere. */
const BARE = [
  '-accel',
  'tcg',
  '-m',
  '64',
  '-nodefaults',
  '-display',
  'none',
  '-no-reboot',
  '-serial',
  'stdio',
];

/** Words for QEMU that put a network card into the machine, on a network with nothing but DHCP. */
export function cardArguments(device: string): string[] {
  return ['-netdev', 'user,id=net,restrict=on', '-device', `${device},netdev=net`];
}

/** Boots a machine until it is off, or until its serial port said a line that was waited for; gives what that said. */
export async function consoleOf(machine: readonly string[], until?: RegExp): Promise<string> {
  const seen = new AbortController();
  const lines: string[] = [];
  await run('qemu-system-i386', [...BARE, ...machine], {
    timeoutMs: 120_000,
    signal: seen.signal,
    onLine(raw) {
      const line = raw.replaceAll('\r', '');
      lines.push(line);
      if (until?.test(line)) seen.abort();
    },
  });
  return lines.map((line) => `${line}\n`).join('');
}
