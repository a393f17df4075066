import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { freshDirectory } from '../support/kiln.ts';

/** A redis-server of one's own, on a free port. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  kill(): Promise<void>;
  /** Starts it again on the same port and directory. */
  start(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** @param settings e.g. `['--appendonly', 'yes']`; nothing is written to the disk unless they say so */
export async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const directory = freshDirectory('redis');
  const port = await freePort();
  let child: ChildProcess | undefined;
  const server: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    port,
    async start() {
      child = spawn(
        'redis-server',
        ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', directory, ...settings],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      );
      if (child.stdout === null) throw new Error('no stdout');
      for await (const line of createInterface({ input: child.stdout })) {
        if (line.includes('Ready to accept connections')) break;
      }
      child.stdout.resume();
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
  await server.start();
  return server;
}
