import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { withoutPasswords } from '../platform/secrets.ts';
import { attributesForCcache, formatRemote, type Remote } from './remote.ts';
import { reply, takeCommand } from './resp.ts';
import { openStore, type Store, Unreachable } from './stores.ts';

/** A socket of a relay's. */
export interface Door {
  /** The storage that ccache is to be given. */
  readonly address: string;
  close(): Promise<void>;
}

/** ccache's name of a result. */
const NAME = /^ccache:([0-9a-v]{20,80})$/;

/**
 * Carries ccache's results between steps that reach no network and a storage that is there. A step sees a socket that
 * understands what ccache asks of Redis, about results of compilers and nothing else: neither the storage's password
 * nor any other command or key gets through.
 */
export class Relay {
  readonly #remote: Remote;
  readonly #warn: (sentence: string) => void;
  readonly #store: Store;
  #warned = false;
  #gone: string | undefined;

  /** @param warn told in a sentence, once, what the storage refuses, or that it is left out from now on */
  constructor(remote: Remote, warn: (sentence: string) => void) {
    this.#remote = remote;
    this.#warn = warn;
    this.#store = openStore(remote);
  }

  /**
   * Opens a socket in a directory that a step sees.
   * @param seenAs where the step sees the socket: short, for a socket's path has 107 bytes at most (unix(7))
   */
  async door(directory: string, name: string, seenAs: string): Promise<Door> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      // A ccache that was killed before it was answered; whoever reads from the socket hears of most, not of all.
      socket.on('error', () => socket.destroy());
      void this.#serve(socket).finally(() => sockets.delete(socket));
    });
    // The directory's own path may be longer than a socket's may be.
    const handle = await open(directory);
    try {
      await listen(server, `/proc/self/fd/${handle.fd}/${name}`);
    } catch (error) {
      await handle.close();
      throw error;
    }
    return {
      address: formatRemote({ url: `redis+unix:${seenAs}`, attributes: attributesForCcache(this.#remote) }),
      close: () => closeDoor(server, sockets, handle),
    };
  }

  close(): void {
    this.#store.close();
  }

  async #serve(socket: Socket): Promise<void> {
    let bytes: Buffer = Buffer.alloc(0);
    try {
      for await (const chunk of socket as AsyncIterable<Buffer>) {
        bytes = Buffer.concat([bytes, chunk]);
        for (let taken = takeCommand(bytes); taken !== undefined; taken = takeCommand(bytes)) {
          bytes = bytes.subarray(taken.length);
          socket.write(await this.#answer(taken.words));
        }
      }
    } catch {
      // No ccache, or one that was killed: the results are the same without.
      socket.destroy();
    }
  }

  async #answer([command, key, value]: readonly Buffer[]): Promise<Buffer> {
    const name = NAME.exec(key?.toString('latin1') ?? '')?.[1];
    if (name === undefined) return reply.error('only results of compilers are kept here');
    if (this.#gone !== undefined) return reply.error(this.#gone);
    try {
      switch (command?.toString('latin1').toUpperCase()) {
        case 'GET': {
          const found = await this.#store.get(name);
          return found === undefined ? reply.nothing : reply.bytes(found);
        }
        case 'SET':
          if (value === undefined) return reply.error('a value is missing');
          await this.#store.put(name, value);
          return reply.ok;
        case 'EXISTS':
          return reply.count((await this.#store.has(name)) ? 1 : 0);
        case 'DEL':
          return reply.count((await this.#store.remove(name)) ? 1 : 0);
        default:
          return reply.error('only results of compilers are kept here');
      }
    } catch (error) {
      const words = (error as Error).message;
      if (error instanceof Unreachable) this.#gone = words;
      this.#say(
        error instanceof Unreachable ? `is left out, it can't be reached: ${words}` : `refuses: ${words}`,
      );
      return reply.error(words);
    }
  }

  #say(words: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#warn(`ccache's remote storage ${withoutPasswords(this.#remote.url)} ${words}`);
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((done, failed) => {
    // What comes later is a connection that could not be accepted: its ccache does without.
    server.on('error', failed);
    server.listen(path, done);
  });
}

async function closeDoor(server: Server, sockets: Iterable<Socket>, handle: FileHandle): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise<void>((done) => server.close(() => done()));
  await handle.close();
}
