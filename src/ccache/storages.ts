import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withoutPasswords } from '../platform/secrets.ts';
import type { Door, Relay } from './relay.ts';
import { formatRemote, localPath, type Remote, relayFault } from './remote.ts';

/** What ccache is told of remote storages in one step. */
export interface StepStorages {
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** The remote storages that ccache has in a build: those it reaches by itself, and those that Kiln speaks to for it. */
export class RemoteStorages {
  readonly #direct: readonly Remote[];
  readonly #relays: readonly Relay[];

  private constructor(direct: readonly Remote[], relays: readonly Relay[]) {
    this.#direct = direct;
    this.#relays = relays;
  }

  /**
   * @param walled whether steps reach no network
   * @param warn told in a sentence which storage is not used, and why
   */
  static async open(
    remotes: readonly Remote[],
    walled: boolean,
    warn: (sentence: string) => void,
  ): Promise<RemoteStorages> {
    const beyond = walled ? remotes.filter((remote) => localPath(remote) === undefined) : [];
    const usable = beyond.filter((remote) => {
      const fault = relayFault(remote);
      if (fault !== undefined)
        warn(`ccache's remote storage ${withoutPasswords(remote.url)} is not used: ${fault}`);
      return fault === undefined;
    });
    const direct = remotes.filter((remote) => !beyond.includes(remote));
    if (usable.length === 0) return new RemoteStorages(direct, []);
    // A client of Redis takes its time to load, and few builds have a use for it.
    const { Relay } = await import('./relay.ts');
    return new RemoteStorages(
      direct,
      usable.map((remote) => new Relay(remote, warn)),
    );
  }

  /** Directories and sockets that a step has to see; directories are made. */
  async places(): Promise<string[]> {
    const places: string[] = [];
    for (const remote of this.#direct) {
      const path = localPath(remote);
      if (path === undefined) continue;
      if (remote.url.startsWith('file:')) await mkdir(path, { recursive: true });
      places.push(path);
    }
    return places;
  }

  /**
   * @param directory one that the step can write to
   * @param inside where the step sees a path
   */
  async forStep(directory: string, inside: (path: string) => string): Promise<StepStorages> {
    const doors: Door[] = [];
    const close = async () => {
      await Promise.all(doors.map((door) => door.close()));
    };
    try {
      for (const [index, relay] of this.#relays.entries()) {
        const name = `ccache-${index}.sock`;
        doors.push(await relay.door(directory, name, inside(join(directory, name))));
      }
    } catch (error) {
      await close();
      throw error;
    }
    const list = [...this.#direct.map(formatRemote), ...doors.map(({ address }) => address)].join(' ');
    // The second is what ccache before 4.7 calls it.
    return {
      env: list === '' ? {} : { CCACHE_REMOTE_STORAGE: list, CCACHE_SECONDARY_STORAGE: list },
      close,
    };
  }

  /** Lets go of the storages; steps have ended. */
  close(): void {
    for (const relay of this.#relays) relay.close();
  }
}
