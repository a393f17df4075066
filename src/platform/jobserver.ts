import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { temporaryDirectory } from './files.ts';
import { output } from './process.ts';

/** What a make needs to draw from the pool. */
export interface JobserverClient {
  /** Added to the environment of make: MAKEFLAGS. */
  readonly env: Readonly<Record<string, string>>;
  /** The pool. Make has to see it under this name, and open for reading and writing as descriptor 3. */
  readonly fifo: string;
  /** Gives back the token that stands for make itself. Calling it again does nothing. */
  release(): void;
}

/**
 * One pool of job tokens for every make that Kiln runs, in GNU make's own protocol (make's manual, "POSIX Jobserver
 * Interaction"): the pool is a FIFO with one byte for each free token. Each make owns one job besides those that it
 * draws, so Kiln takes a token from the pool before it starts one and puts it back afterwards: however many makes
 * run, they run as many jobs as there are tokens in all.
 */
export class Jobserver {
  readonly tokens: number;
  /** Where `attach` finds it. */
  readonly fifo: string;
  /** What is removed at the end; undefined where the pool is another process's. */
  readonly #directory: string | undefined;
  readonly #own: number;
  readonly #style: 'descriptors' | 'fifo';
  readonly #waiting: { readonly take: () => void; readonly give: (error: Error) => void }[] = [];
  #reader: Socket | undefined;
  /** Clients that hold a token. */
  #holders = 0;

  private constructor(fifo: string, tokens: number, makeVersion: string, directory?: string) {
    this.fifo = fifo;
    this.tokens = tokens;
    this.#directory = directory;
    this.#style = styleOf(makeVersion);
    this.#own = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    if (directory !== undefined) writeSync(this.#own, Buffer.alloc(tokens, '+'));
  }

  /**
   * @param tokens jobs that may run at the same time, over all makes
   * @param makeVersion as make says it: `GNU Make 4.3`; from 4.4 on make opens the FIFO by its name. Needed by who
   *   calls `client`
   */
  static async open(tokens: number, makeVersion = ''): Promise<Jobserver> {
    const directory = await temporaryDirectory('kiln-jobs');
    const fifo = join(directory, 'tokens');
    await output('mkfifo', ['-m', '600', fifo]);
    return new Jobserver(fifo, tokens, makeVersion, directory);
  }

  /** Joins the pool that another process of Kiln's has opened. */
  static attach(fifo: string, tokens: number, makeVersion: string): Jobserver {
    return new Jobserver(fifo, tokens, makeVersion);
  }

  /**
   * Waits for a token to run a make with.
   * @param makeVersion that make's, where it is not the pool's
   * @throws the signal's reason when it is aborted while waiting
   */
  async client(signal?: AbortSignal, makeVersion?: string): Promise<JobserverClient> {
    signal?.throwIfAborted();
    if (!this.#takeNow()) await this.#takeLater(signal);
    let held = true;
    const style = makeVersion === undefined ? this.#style : styleOf(makeVersion);
    const auth = style === 'fifo' ? `fifo:${this.fifo}` : '3,3';
    return {
      // The blank in front says that no letters stand for options.
      env: { MAKEFLAGS: ` -j${this.tokens} --jobserver-auth=${auth}` },
      fifo: this.fifo,
      release: () => {
        if (held) this.#putBack();
        held = false;
      },
    };
  }

  /** Tokens that nobody holds at this moment. */
  free(): number {
    const bytes = Buffer.alloc(this.tokens + 1);
    const count = readIfAny(this.#own, bytes);
    if (count > 0) writeSync(this.#own, bytes, 0, count);
    return count;
  }

  /** Fills the pool again: a make or a worker that was killed has kept its tokens. Only while nobody holds any. */
  refill(): void {
    readIfAny(this.#own, Buffer.alloc(2 * this.tokens));
    writeSync(this.#own, Buffer.alloc(this.tokens, '+'));
  }

  /** Ends the pool; nobody may draw from it any more. */
  async close(): Promise<void> {
    this.#reader?.destroy();
    closeSync(this.#own);
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  /**
   * Tokens are alike: of a pool that was joined this process has one that whoever opened it has put aside, from its
   * first client to its last, whichever that is; all others go back as soon as a client leaves.
   */
  #putBack(): void {
    this.#holders--;
    const joined = this.#directory === undefined;
    if (!joined || this.#holders > 0) writeSync(this.#own, '+');
    else this.#waiting.shift()?.take();
    if (!joined && this.#holders === 0 && this.#waiting.length === 0) this.refill();
  }

  #takeNow(): boolean {
    if (this.#waiting.length > 0) return false;
    const putAside = this.#directory === undefined && this.#holders === 0;
    if (!putAside && readIfAny(this.#own, Buffer.alloc(1)) !== 1) return false;
    this.#holders++;
    return true;
  }

  #takeLater(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        const at = this.#waiting.indexOf(waiter);
        if (at >= 0) this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      const waiter = {
        take: () => {
          this.#holders++;
          signal?.removeEventListener('abort', leave);
          resolve();
        },
        give: reject,
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiter);
      this.#listen();
    });
  }

  /** Reads one token at a time, as long as somebody waits: what is read too much goes back at once. */
  #listen(): void {
    if (this.#reader !== undefined) return;
    const reader = new Socket({
      fd: openSync(this.fifo, constants.O_RDWR | constants.O_NONBLOCK),
      writable: false,
      onread: {
        buffer: Buffer.alloc(1),
        callback: () => {
          const first = this.#waiting.shift();
          if (first === undefined) writeSync(this.#own, '+');
          else first.take();
          if (this.#waiting.length > 0) return true;
          this.#reader = undefined;
          reader.destroy();
          return false;
        },
      },
    });
    reader.on('error', (error) => {
      for (const waiter of this.#waiting.splice(0)) waiter.give(error);
    });
    this.#reader = reader;
    reader.resume();
  }
}

/** Bytes read, 0 where there is nothing to read. */
function readIfAny(descriptor: number, into: Buffer): number {
  try {
    return readSync(descriptor, into);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0;
    throw error;
  }
}

/** How a make finds the pool; from 4.4 on it opens the FIFO by its name. */
function styleOf(makeVersion: string): 'descriptors' | 'fifo' {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(makeVersion)?.map(Number) ?? [];
  return major > 4 || (major === 4 && minor >= 4) ? 'fifo' : 'descriptors';
}
