import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CHECKOUT, freshDirectory } from '../support/kiln.ts';
import { type RedisServer, startRedis } from './redisServer.ts';

const MAIN = join(CHECKOUT, 'src/cli/main.ts');

/** A coordinator, its workers and their Redis: real processes that a test may kill. */
export class Fleet {
  readonly home: string;
  readonly redis: RedisServer;
  readonly workers: string[];
  readonly #children = new Map<string, ChildProcess>();
  readonly #said = new Map<string, string[]>();
  #port = 0;

  private constructor(redis: RedisServer, workers: number) {
    this.redis = redis;
    this.home = freshDirectory('coordinator');
    this.workers = Array.from({ length: workers }, () => freshDirectory('worker'));
  }

  static async start(workers: number, settings: readonly string[] = []): Promise<Fleet> {
    const fleet = new Fleet(await startRedis(settings), workers);
    await fleet.startCoordinator();
    for (let index = 0; index < workers; index++) await fleet.startWorker(index);
    return fleet;
  }

  async startCoordinator(): Promise<void> {
    const line = await this.#start(
      'coordinator',
      ['serve', '--redis', this.redis.url, '--listen', `127.0.0.1:${this.#port}`, '--home', this.home],
      /^serving .*:(\d+)$/,
    );
    this.#port = Number(/:(\d+)$/.exec(line)?.[1]);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get token(): string {
    return readFileSync(join(this.home, 'store-token'), 'utf8').trim();
  }

  async startWorker(index: number, ...more: string[]): Promise<void> {
    await this.#start(
      `worker ${index}`,
      [
        'worker',
        ...['--redis', this.redis.url, '--store', this.url],
        ...['--token-file', join(this.home, 'store-token')],
        ...['--home', this.workers[index] ?? '', '--lease', '3', '--grace', '1', ...more],
      ],
      /^taking jobs/,
    );
  }

  async #start(name: string, args: readonly string[], ready: RegExp): Promise<string> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, NO_COLOR: '1', KILN_HOME: '' },
    });
    this.#children.set(name, child);
    const said: string[] = this.#said.get(name) ?? [];
    this.#said.set(name, said);
    const lines = createInterface({ input: child.stderr });
    return new Promise((done, fail) => {
      lines.on('line', (line) => {
        said.push(line);
        if (ready.test(line)) done(line);
      });
      child.once('exit', (code) => fail(new Error(`${name} ended (${code}):\n${said.join('\n')}`)));
    });
  }

  said(name: string): string {
    return (this.#said.get(name) ?? []).join('\n');
  }

  /** Ends a process of the fleet, by kill -9 unless another signal is asked for. */
  async kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#children.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async stop(): Promise<void> {
    for (const name of this.#children.keys()) await this.kill(name);
    await this.redis.kill();
  }
}
