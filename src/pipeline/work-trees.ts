import { access, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../platform/files.ts';
import { mountOverlay, mountRight, unmount } from '../platform/mounts.ts';
import { output } from '../platform/process.ts';
import type { Sandbox } from '../platform/sandbox.ts';

/** What a tree was last built as. */
export interface BuiltAs {
  readonly release: string;
  readonly config: string;
}

/** A kernel tree to build in, lent to one variant at a time. */
export interface WorkTree {
  /** The tree. */
  readonly tree: string;
  /** An empty place for what make puts elsewhere; seen in the sandbox, emptied for every variant. */
  readonly out: string;
  readonly sandbox: Sandbox;
  /** undefined: as its sources are, nothing was built in it. Trees that start from the same build share the object. */
  readonly built: BuiltAs | undefined;
}

/** What was built, on top of the prepared tree: whoever mounts both goes on from there. */
export interface Layer {
  /** The directory that overlayfs left as `upper`. */
  readonly directory: string;
  readonly built: BuiltAs;
}

export interface WorkTreesRequest {
  /** The prepared tree; never written to. */
  readonly prepared: string;
  /** A directory for all that the trees need; on the file system of the step cache, and removed at the end. */
  readonly work: string;
  /** The sandbox over one tree's own directory. */
  readonly sandboxFor: (directory: string) => Sandbox;
  /** Trees at the same time; of overlays over what is built already twice as many where it is more than one. */
  readonly most: number;
  /** False: trees are copies, for programs that don't see this process's mounts. */
  readonly overlays?: boolean;
  /** What is built first is kept for later runs, on the disk. */
  readonly keeps?: boolean;
  /** Every variant gets a fresh tree. */
  readonly clean?: boolean;
  /** Where a layer of an earlier run is, if there is one. */
  readonly layer?: Layer;
}

interface Tree extends WorkTree {
  readonly directory: string;
  readonly mounted: boolean;
  built: BuiltAs | undefined;
}

/**
 * The work trees of one prepared tree. The first variant builds in a fresh one, with all the processors there are;
 * the others start from what it has built: 2.4 has no O=, so that each needs a tree of its own, and a change of a few
 * options recompiles a few files. A tree is an overlay over the prepared tree where this process may mount one, else a
 * copy (sharing blocks where the file system can); never hard links, by which one variant would write to another.
 * A tree in which a build failed is thrown away.
 */
export class WorkTrees {
  readonly #request: WorkTreesRequest;
  readonly #idle: Tree[] = [];
  readonly #waiting: { readonly wake: () => void }[] = [];
  #layer: Layer | undefined;
  /** What goes to the disk while variants are made images of; nobody has to wait for it before the end. */
  #settling: Promise<unknown> = Promise.resolve();
  #count = 0;
  #made = 0;
  /** False once an overlay was refused. */
  #overlays = mountRight() !== undefined;

  constructor(request: WorkTreesRequest) {
    this.#request = request;
    this.#layer = request.layer;
    if (request.overlays === false) this.#overlays = false;
  }

  /**
   * Lends a tree to `action`, which says what it has built there.
   * @throws the signal's reason when it is aborted while waiting
   */
  async use<T extends { readonly built: BuiltAs }>(
    signal: AbortSignal,
    action: (tree: WorkTree) => Promise<T>,
  ): Promise<T> {
    const tree = await this.#take(signal);
    let done: T;
    try {
      await mkdir(tree.out, { recursive: true });
      done = await action(tree);
    } catch (error) {
      await this.#discard(tree);
      throw error;
    }
    if (this.#request.clean === true) {
      await this.#discard(tree);
      return done;
    }
    await removeTree(tree.out);
    tree.built = done.built;
    if (this.#request.keeps === true && tree.mounted && this.#layer === undefined)
      this.#settling = settle(tree);
    await this.#giveBack(tree);
    return done;
  }

  /** Whether `use` would wait for the first variant to be built, and another fresh tree costs next to nothing. */
  get waits(): boolean {
    const { most, clean } = this.#request;
    return (
      this.#overlays &&
      clean !== true &&
      most > 1 &&
      this.#count > 0 &&
      this.#layer === undefined &&
      this.#idle.length === 0
    );
  }

  /** Lends a tree that is thrown away afterwards, for what can be found out without building. */
  async aside<T>(action: (tree: WorkTree) => Promise<T>): Promise<T> {
    const tree = await this.#make();
    try {
      await mkdir(tree.out, { recursive: true });
      return await action(tree);
    } finally {
      await demolish(tree);
    }
  }

  /** What was built on top of the prepared tree, for a later run; undefined where trees are copies. */
  get layer(): Layer | undefined {
    return this.#layer;
  }

  /** Takes the trees away; nobody may use one any more. The layer's directory stays. */
  async close(): Promise<void> {
    await this.#settling;
    for (const tree of this.#idle.splice(0)) {
      if (tree.mounted && this.#layer === undefined && tree.built !== undefined && !this.#request.clean)
        await this.#freeze(tree);
      else await this.#remove(tree);
    }
  }

  async #take(signal: AbortSignal): Promise<Tree> {
    for (;;) {
      signal.throwIfAborted();
      const idle = this.#idle.pop();
      if (idle !== undefined) return idle;
      if (this.#mayMake()) {
        this.#count++;
        try {
          return await this.#make();
        } catch (error) {
          this.#count--;
          this.#wake();
          throw error;
        }
      }
      await this.#wait(signal);
    }
  }

  /** A second tree before the first is built would build everything a second time. */
  #mayMake(): boolean {
    if (this.#count === 0) return true;
    const { most, clean } = this.#request;
    if (clean === true) return this.#count < most;
    // Such a tree costs next to nothing, and make's jobs are counted elsewhere: while one variant is configured, linked
    // by one process or made an image of, others compile.
    return this.#layer !== undefined && this.#count < (most > 1 ? 2 * most : 1);
  }

  async #make(from?: Tree): Promise<Tree> {
    const directory = join(this.#request.work, String(this.#made++));
    const box = join(directory, 'box');
    const tree = join(box, 'linux');
    await mkdir(tree, { recursive: true });
    const mounted = from === undefined && (await this.#mount(directory, tree));
    if (!mounted) await copyTree(from?.tree ?? this.#request.prepared, tree);
    return {
      directory,
      tree,
      out: join(box, 'out'),
      sandbox: this.#request.sandboxFor(box),
      built: mounted ? this.#layer?.built : from?.built,
      mounted,
    };
  }

  async #mount(directory: string, at: string): Promise<boolean> {
    if (!this.#overlays || !(await this.#isOwn())) return false;
    const [upper, work] = [join(directory, 'upper'), join(directory, 'overlay')];
    await mkdir(upper);
    await mkdir(work);
    const below = this.#layer === undefined ? [] : [this.#layer.directory];
    const refused = await mountOverlay({ lower: [...below, this.#request.prepared], upper, work, at });
    if (refused === undefined) return true;
    this.#overlays = false;
    this.#layer = undefined;
    return false;
  }

  /** Whether the prepared tree is this user's own: of somebody else's, files that show through can't be written to. */
  async #isOwn(): Promise<boolean> {
    const { uid } = await stat(this.#request.prepared);
    if (uid === process.geteuid?.()) return true;
    this.#overlays = false;
    this.#layer = undefined;
    return false;
  }

  async #giveBack(tree: Tree): Promise<void> {
    try {
      const { most } = this.#request;
      if (tree.mounted && this.#layer === undefined && most > 1) {
        if (this.#waiting.length === 0) this.#idle.push(tree);
        else await this.#freeze(tree);
      } else {
        if (!tree.mounted && this.#waiting.length > 1 && this.#count < most) {
          this.#count++;
          this.#idle.push(await this.#make(tree));
        }
        this.#idle.push(tree);
      }
    } finally {
      this.#wake();
    }
  }

  /** Makes what was built in a tree the layer that all further ones start from. */
  async #freeze(tree: Tree): Promise<void> {
    await unmount(tree.tree);
    this.#count--;
    if (tree.built === undefined) throw new Error('a layer is of a built tree');
    this.#layer = { directory: join(tree.directory, 'upper'), built: tree.built };
  }

  async #discard(tree: Tree): Promise<void> {
    try {
      await this.#remove(tree);
    } finally {
      this.#wake();
    }
  }

  async #remove(tree: Tree): Promise<void> {
    this.#count--;
    await demolish(tree);
  }

  #wake(): void {
    for (const { wake } of this.#waiting.splice(0)) wake();
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      const waiter = {
        wake: () => {
          signal.removeEventListener('abort', stop);
          resolve();
        },
      };
      this.#waiting.push(waiter);
      signal.addEventListener('abort', stop, { once: true });
    });
  }
}

/** Starts what whoever keeps the tree as a layer would have to wait for later. What fails fails there as well. */
function settle(tree: Tree): Promise<unknown> {
  return output('sync', ['-f', tree.directory]).catch(() => undefined);
}

async function demolish(tree: Tree): Promise<void> {
  if (tree.mounted) await unmount(tree.tree);
  await removeTree(tree.directory);
}

async function copyTree(from: string, to: string): Promise<void> {
  await access(from);
  // Whoever builds in it owns it: in a user's own mounts nobody can be given anything.
  await output('cp', ['-dR', '--preserve=mode,timestamps,links', '--reflink=auto', `${from}/.`, to]);
}
