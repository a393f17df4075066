import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** A TFTP server in a network namespace of its own, and a client in there with it. */
export interface TftpServer {
  /** The bytes of a file, as a node would load them. @throws when the server does not have it */
  get(path: string): Promise<Buffer>;
  stop(): Promise<void>;
}

const SERVER = `
ip link set lo up
exec dnsmasq --no-daemon --port=0 --conf-file=/dev/null --user=root --listen-address=127.0.0.1 \
  --enable-tftp --tftp-root="$1" --log-facility=-
`;

/** Serves a directory by dnsmasq. Needs root, for the namespace. */
export async function serveTftp(root: string): Promise<TftpServer> {
  const server = spawn('unshare', ['-n', 'sh', '-euc', SERVER, 'sh', root], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await sees(server, /TFTP root is/);
  const inside = ['-t', String(server.pid), '-n', '--'];
  return {
    async get(path) {
      const client = spawn('nsenter', [...inside, 'curl', '-sS', '--fail', `tftp://127.0.0.1/${path}`], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const chunks: Buffer[] = [];
      let complaint = '';
      client.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      client.stderr.on('data', (chunk: Buffer) => {
        complaint += chunk.toString();
      });
      const [code] = (await once(client, 'close')) as [number];
      if (code !== 0) throw new Error(`${path}: curl exited ${code}: ${complaint.trim()}`);
      return Buffer.concat(chunks);
    },
    async stop() {
      server.kill();
      await once(server, 'exit');
    },
  };
}

async function sees(server: ChildProcess, wanted: RegExp): Promise<void> {
  if (server.stderr === null) throw new Error('no stderr');
  const said: string[] = [];
  for await (const line of createInterface({ input: server.stderr })) {
    if (wanted.test(line)) return;
    said.push(line);
  }
  throw new Error(`the TFTP server did not start:\n${said.join('\n')}`);
}
