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
  readonly #shared: string | undefined;
  readonly #lease: number;
  #port = 0;

  private constructor(redis: RedisServer, workers: number, shared: string | undefined, lease: number) {
    this.redis = redis;
    this.#shared = shared;
    this.#lease = lease;
    this.home = freshDirectory('coordinator');
    this.workers = Array.from({ length: workers }, () => freshDirectory('worker'));
  }

  /**
   * @param shared a directory that takes the place of the coordinator's HTTP store
   * @param lease the workers' lease in seconds: long, so that one that stands still for a while has lost nothing;
   *   short where one that is killed is to be missed soon
   */
  static async start(workers: number, shared?: string, lease = 120): Promise<Fleet> {
    const fleet = new Fleet(await startRedis(), workers, shared, lease);
    await fleet.startCoordinator();
    for (let index = 0; index < workers; index++) await fleet.startWorker(index);
    return fleet;
  }

  async startCoordinator(): Promise<void> {
    const line = await this.#start(
      'coordinator',
      [
        ...['serve', '--redis', this.redis.url, '--listen', `127.0.0.1:${this.#port}`, '--home', this.home],
        ...(this.#shared === undefined ? [] : ['--store', this.#shared]),
      ],
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
    const home = this.workers[index] ?? freshDirectory('worker');
    this.workers[index] = home;
    await this.#start(
      `worker ${index}`,
      [
        'worker',
        ...['--redis', this.redis.url, '--store', this.#shared ?? this.url],
        ...['--token-file', join(this.home, 'store-token')],
        ...['--home', home, '--lease', String(this.#lease), '--grace', '1', ...more],
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

  /** Returns when a process of the fleet has said something. */
  async says(name: string, what: RegExp): Promise<void> {
    const child = this.#children.get(name);
    if (child?.stderr === null || child === undefined) throw new Error(`there is no ${name}`);
    while (!what.test(this.said(name))) await once(child.stderr, 'data');
  }

  said(name: string): string {
    return (this.#said.get(name) ?? []).join('\n');
  }

  /** Sends a process of the fleet a signal. */
  signal(name: string, signal: NodeJS.Signals): void {
    this.#children.get(name)?.kill(signal);
  }

  /** Returns what a process of the fleet ended with, when it has; null for one that a signal has ended. */
  async ended(name: string): Promise<number | null> {
    const child = this.#children.get(name);
    if (child === undefined) throw new Error(`there is no ${name}`);
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.exitCode;
  }

  /** Ends a process of the fleet by kill -9. */
  async kill(name: string): Promise<void> {
    this.signal(name, 'SIGKILL');
    await this.ended(name);
  }

  async stop(): Promise<void> {
    for (const name of this.#children.keys()) await this.kill(name);
    await this.redis.kill();
  }
}
