import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

/**
 * Nodes that boot over and over: `tftpNodes.ts HOST PORT COUNT CHANNEL EXPECTED`. Each loads the channel's config, then
 * the kernel and the initrd that it names, by TFTP, until a line comes on standard input; then it prints what they
 * met. Before that it says `booting` once so many were loaded, and of each bundle the first time `booted BUNDLE`.
 * EXPECTED is JSON: for each file that a config may name its digest.
 */
const [, , host = '', port = '', count = '', channel = '', expected = '{}'] = process.argv;
const digests = JSON.parse(expected) as Record<string, string>;
const met = { loads: 0, bundles: {} as Record<string, number>, errors: [] as string[] };
let stopped = false;

/** A file by TFTP in octet mode (RFC 1350), in blocks of 512 bytes. Asks again for what does not come. */
function get(path: string): Promise<Buffer> {
  return new Promise((done, fail) => {
    const socket = createSocket('udp4');
    const blocks: Buffer[] = [];
    let peer = Number(port);
    let last = Buffer.concat([Buffer.from([0, 1]), Buffer.from(`${path}\0octet\0`)]);
    const send = () => socket.send(last, peer, host);
    const again = setInterval(send, 1000);
    let ended = false;
    const end = (action: () => void) => {
      if (ended) return;
      ended = true;
      clearInterval(again);
      socket.close();
      action();
    };
    socket.on('error', (error) => end(() => fail(error)));
    socket.on('message', (message, { port: from }) => {
      if (ended) return;
      const block = message.readUInt16BE(2);
      if (message[1] === 5) return end(() => fail(new Error(message.toString('latin1', 4))));
      if (message[1] !== 3) return;
      peer = from;
      if (block === ((blocks.length + 1) & 0xffff)) blocks.push(message.subarray(4));
      last = Buffer.concat([Buffer.from([0, 4]), message.subarray(2, 4)]);
      if (message.length === 516) return send();
      // Not before the last acknowledgement is out: the server would wait for it.
      socket.send(last, peer, host, () => end(() => done(Buffer.concat(blocks))));
    });
    send();
  });
}

async function boot(): Promise<void> {
  const config = (await get(`${channel}/pxelinux.cfg`)).toString();
  const [, kernel = ''] = /KERNEL ::(\S+)/.exec(config) ?? [];
  const [, initrd = ''] = /initrd=::(\S+)/.exec(config) ?? [];
  for (const path of [kernel, initrd]) {
    const digest = createHash('sha256')
      .update(await get(path))
      .digest('hex');
    if (digests[path] !== digest) met.errors.push(`torn: ${path}`);
  }
  const bundle = kernel.split('/')[1] ?? '';
  if (initrd.split('/')[1] !== bundle) met.errors.push(`mixed: ${kernel} with ${initrd}`);
  if (met.bundles[bundle] === undefined) process.stdout.write(`booted ${bundle}\n`);
  met.bundles[bundle] = (met.bundles[bundle] ?? 0) + 1;
  met.loads += 1;
}

async function node(): Promise<void> {
  while (!stopped) {
    try {
      await boot();
      if (met.loads === Number(count)) process.stdout.write('booting\n');
    } catch (error) {
      met.errors.push(String(error));
    }
  }
}

createInterface({ input: process.stdin }).once('line', () => {
  stopped = true;
});
await Promise.all(Array.from({ length: Number(count) }, node));
process.stdout.write(`${JSON.stringify(met)}\n`);
process.exit();
