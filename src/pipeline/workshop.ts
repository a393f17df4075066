import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseRemotes } from '../ccache/remote.ts';
import { RemoteStorages } from '../ccache/storages.ts';
import { compileInit } from '../initrd/index.ts';
import {
  dependSymbols,
  GENKSYMS,
  type KernelFamily,
  namesRelease,
  type ReleasePlaces,
  releasePlaces,
  type Toolchain,
} from '../kernel/index.ts';
import { container } from '../platform/container.ts';
import { digestOf } from '../platform/digest.ts';
import { removeTree } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { Jobserver } from '../platform/jobserver.ts';
import { mountRight } from '../platform/mounts.ts';
import { output } from '../platform/process.ts';
import { BUILD_ROOT, bubblewrap, openAir, type SandboxKind } from '../platform/sandbox.ts';
import { type StepCache, workDirectory } from './cache.ts';
import { type Ccache, type CcacheSettings, ccacheFor } from './ccache.ts';
import { codeVersions } from './code-versions.ts';
import { assertPrograms, chooseSandbox, type OwnSandbox, placesOf } from './surroundings.ts';
import { type BuiltAs, type Layer, WorkTrees } from './work-trees.ts';

/** How variants are built; nothing of it changes a byte of a bundle. */
export interface WorkshopSettings {
  readonly sandbox: 'auto' | 'off';
  readonly ccache: CcacheSettings;
  /** Every variant in a fresh tree, at another path than usual: what a build is compared with. */
  readonly clean: boolean;
}

/** What of this machine a workshop may use. */
export interface WorkshopMeans {
  /** Variants that are compiled at once. */
  readonly slots: number;
  /** A pool of jobs that another process of Kiln's has opened. */
  readonly pool: { readonly fifo: string; readonly tokens: number } | undefined;
}

/** Where the trees of a clean build are seen. */
const ELSEWHERE = '/elsewhere';

/** The work trees of one prepared tree, with what is known of it. */
export interface TreeShop {
  readonly trees: WorkTrees;
  /** Symbols that decide whether the dependencies of one configuration are those of another. */
  readonly dependSymbols: () => ReadonlySet<string>;
  /** Sources that name UTS_RELEASE. */
  readonly namesRelease: (signal: AbortSignal) => Promise<readonly string[]>;
  /** Whether a file of a work tree is of the source tree. */
  readonly isSource: (path: string) => boolean;
  /** Where a work tree that was built has its release; looked for once in trees that start from the same build. */
  readonly releasePlaces: (tree: string, built: BuiltAs) => ReleasePlaces;
}

/**
 * What all variants of a build share: the sandbox, the pool of jobs, ccache, and the work trees of each prepared
 * tree.
 */
export class Workshop {
  /** How this machine's own tools are kept from it. */
  readonly sandbox: OwnSandbox;
  readonly jobserver: Jobserver;
  readonly #home: Home;
  readonly #cache: StepCache;
  readonly #settings: WorkshopSettings & WorkshopMeans;
  readonly #remote: RemoteStorages;
  readonly #inits = new Map<string, Promise<string>>();
  readonly #closing = new AbortController();
  readonly #shops = new Map<string, Promise<TreeShop & { readonly close: () => Promise<void> }>>();

  private constructor(
    home: Home,
    cache: StepCache,
    settings: WorkshopSettings & WorkshopMeans,
    sandbox: OwnSandbox,
    jobserver: Jobserver,
    remote: RemoteStorages,
  ) {
    this.#home = home;
    this.#cache = cache;
    this.#settings = settings;
    this.sandbox = sandbox;
    this.jobserver = jobserver;
    this.#remote = remote;
  }

  /**
   * @param warn told in a sentence what is not as the settings want it: steps not kept from the machine, say
   * @throws KilnError `failed` where no program of a kernel tree could be started
   */
  static async open(
    home: Home,
    cache: StepCache,
    settings: WorkshopSettings & WorkshopMeans,
    makeVersion: string,
    warn: (sentence: string) => void,
  ): Promise<Workshop> {
    const { pool } = settings;
    await assertPrograms(home);
    const [sandbox, jobserver] = await Promise.all([
      chooseSandbox(settings.sandbox, home, warn),
      pool === undefined
        ? Jobserver.open(availableParallelism(), makeVersion)
        : Jobserver.attach(pool.fifo, pool.tokens, makeVersion),
    ]);
    const { use, remote } = settings.ccache;
    const remotes = use === 'off' ? [] : parseRemotes(remote, 'ccache-remote');
    const storages = await RemoteStorages.open(remotes, sandbox === 'bubblewrap', warn);
    return new Workshop(home, cache, settings, sandbox, jobserver, storages);
  }

  /** How steps with a toolchain are kept from the machine: another system's tools never run without. */
  sandboxOf({ place }: Toolchain): SandboxKind {
    if (place.kind === 'host') return this.sandbox;
    return place.kind === 'chroot' ? 'bubblewrap' : 'container';
  }

  /** ccache, where it is there and wanted; another system's compiler runs without. */
  async ccache(toolchain: Toolchain): Promise<Ccache | undefined> {
    if (toolchain.place.kind !== 'host') return undefined;
    return ccacheFor(this.#home, this.#settings.ccache, toolchain, this.#remote);
  }

  /** Kiln's init as a toolchain compiles it; made once. */
  init(toolchain: Toolchain, log: string, signal: AbortSignal): Promise<string> {
    const known = this.#inits.get(toolchain.fingerprint) ?? this.#findInit(toolchain, log, signal);
    this.#inits.set(toolchain.fingerprint, known);
    return known;
  }

  async #findInit(
    { initCompiler: compiler, fingerprint }: Toolchain,
    log: string,
    signal: AbortSignal,
  ): Promise<string> {
    const key = digestOf({ code: codeVersions().initrd, toolchain: fingerprint });
    const known = await this.#cache.find('init', key);
    if (known !== undefined) return join(known, 'init');
    const staged = await this.#cache.stage('init', key);
    try {
      // Nobody waits for it before the kernel is built.
      await compileInit({
        compiler,
        output: join(staged, 'init'),
        givesWay: true,
        log,
        signal: AbortSignal.any([signal, this.#closing.signal]),
      });
      return join(await this.#cache.commit('init', key, staged), 'init');
    } catch (error) {
      await removeTree(staged);
      throw error;
    }
  }

  /**
   * The work trees over a prepared tree, for a toolchain.
   * @param family of the tree's kernel
   * @param rebuild don't start from what an earlier run has built
   */
  shop(
    key: string,
    prepared: string,
    family: KernelFamily,
    toolchain: Toolchain,
    epoch: number,
    rebuild: boolean,
  ): Promise<TreeShop> {
    const name = `${key} ${toolchain.fingerprint}`;
    const known = this.#shops.get(name);
    if (known !== undefined) return known;
    const shop = this.#openShop(key, prepared, family, toolchain, epoch, rebuild);
    this.#shops.set(name, shop);
    return shop;
  }

  /** Keeps what later runs can start from, and removes the rest. */
  async close(): Promise<void> {
    // Where all variants have failed early, nobody has a use for what gives way to them.
    this.#closing.abort();
    await Promise.allSettled(this.#inits.values());
    const shops = await Promise.allSettled(this.#shops.values());
    for (const shop of shops) if (shop.status === 'fulfilled') await shop.value.close();
    this.#remote.close();
    await this.jobserver.close();
  }

  async #openShop(
    key: string,
    prepared: string,
    family: KernelFamily,
    toolchain: Toolchain,
    epoch: number,
    rebuild: boolean,
  ) {
    const { clean, slots } = this.#settings;
    // Only at one path do trees share what was built: dependencies and flags name it.
    const shared = this.sandboxOf(toolchain) === 'bubblewrap' && !clean;
    const layerKey = digestOf({
      tree: key,
      toolchain: toolchain.fingerprint,
      code: codeVersions().compile,
      epoch,
      root: BUILD_ROOT,
      right: mountRight(),
    });
    const layer = shared && !rebuild ? await this.#findLayer(layerKey) : undefined;
    const work = await workDirectory(
      this.#home,
      `trees-${key.slice(0, 12)}-${toolchain.fingerprint.slice(0, 8)}`,
    );
    const trees = new WorkTrees({
      prepared,
      work,
      clean,
      // Docker's daemon sees no mounts of this process.
      overlays: this.sandboxOf(toolchain) !== 'container',
      most: shared || clean ? slots : 1,
      keeps: shared,
      sandboxFor: (directory) => this.#sandboxFor(directory, family, toolchain),
      ...(layer === undefined ? {} : { layer }),
    });
    let symbols: ReadonlySet<string> | undefined;
    let naming: Promise<readonly string[]> | undefined;
    const places = new WeakMap<BuiltAs, ReleasePlaces>();
    const isSource = (path: string) => existsSync(join(prepared, path));
    return {
      trees,
      dependSymbols: () => (symbols ??= dependSymbols(prepared)),
      namesRelease: (signal: AbortSignal) => (naming ??= namesRelease(prepared, signal)),
      isSource,
      releasePlaces: (tree: string, built: BuiltAs) => {
        const found = places.get(built) ?? releasePlaces(tree, built.release, isSource);
        places.set(built, found);
        return found;
      },
      close: async () => {
        await trees.close();
        if (shared && trees.layer !== undefined && trees.layer !== layer)
          await this.#keepLayer(layerKey, trees.layer);
        await removeTree(work);
      },
    };
  }

  #sandboxFor(directory: string, { shell }: KernelFamily, toolchain: Toolchain) {
    const { place } = toolchain;
    const root = this.#settings.clean ? ELSEWHERE : BUILD_ROOT;
    if (place.kind === 'container') return container(place.image, directory, { root, visible: [GENKSYMS] });
    const writable = ['linux', 'out'];
    if (place.kind === 'chroot') {
      return bubblewrap(directory, { root, writable, visible: [GENKSYMS], system: place.directory });
    }
    if (this.sandbox !== 'bubblewrap') return openAir(this.sandbox, directory);
    return bubblewrap(directory, {
      root,
      writable,
      ...(shell === undefined ? {} : { sh: shell.value }),
      visible: [...[toolchain.compiler, toolchain.hostCompiler].flatMap(placesOf), GENKSYMS],
    });
  }

  async #findLayer(key: string): Promise<Layer | undefined> {
    if (mountRight() === undefined) return undefined;
    const found = await this.#cache.find('layer', key);
    if (found === undefined) return undefined;
    const built = JSON.parse(await readFile(join(found, 'built.json'), 'utf8')) as BuiltAs;
    return { directory: join(found, 'upper'), built };
  }

  async #keepLayer(key: string, layer: Layer): Promise<void> {
    const staged = await this.#cache.stage('layer', key);
    await mkdir(staged, { recursive: true });
    await rename(layer.directory, join(staged, 'upper'));
    await writeFile(join(staged, 'built.json'), JSON.stringify(layer.built));
    // Objects that a power cut has emptied would pass for built.
    await output('sync', ['-f', staged]);
    await this.#cache.commit('layer', key, staged);
  }
}
