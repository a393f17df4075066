import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../platform/process.ts';
import { builtinKit, type ImageEntry, moduleEntries, niclistEntries } from './content.ts';
import { writeCpio } from './cpio.ts';
import { writeCramfs } from './cramfs.ts';
import { makeExt2Image } from './ext2-image.ts';
import { compileInit } from './init.ts';
import { refuseTooSmall } from './limits.ts';
import { layOver } from './overlay.ts';
import type { InitrdFormat } from './readable.ts';
import { writeRomfs } from './romfs.ts';
import { countNodes, loadTree } from './tree.ts';

export interface InitrdRequest {
  /** Directory for the result and for what is made on the way; created where it is missing. */
  readonly workDirectory: string;
  readonly format: InitrdFormat;
  /** Path or name of gcc, which compiles init. */
  readonly compiler: string;
  /** Kiln's init, compiled already (`compileInit`); compiled here where it is not given. */
  readonly init?: string;
  /** Another base than Kiln's own kit, whose own /linuxrc or /init starts. */
  readonly kit?: readonly ImageEntry[];
  /** What `uname -r` will say: the modules go to lib/modules/<release>. */
  readonly release: string;
  /** Directory that holds lib/modules/<release>; without it the image has no modules. */
  readonly modulesRoot?: string;
  /** The file that becomes /etc/niclist, by which init finds the module of its network card. */
  readonly niclist?: string;
  /**
   * Size of the file system in KiB; `auto`: the smallest that fits, with 64 KiB to spare where a node can write
   * (ext2). For the other formats it is a limit.
   */
  readonly sizeKiB: number | 'auto';
  /** Inodes of the file system, or as many as are used (ext2: and 16 to spare). */
  readonly inodes: number | 'auto';
  /** Seconds since 1970 that stand in the image instead of the time of the build. */
  readonly epoch: number;
  readonly signal?: AbortSignal;
  /** File that the tools' output is appended to. */
  readonly log?: string;
}

export interface Initrd {
  /** Path of the gzipped image, `initrd.gz` in the work directory. */
  readonly image: string;
  readonly format: InitrdFormat;
  /**
   * The file system's size, of a cpio the archive's; a RAM disk above 4096 needs `ramdisk_size=` on the kernel's
   * command line.
   */
  readonly sizeKiB: number;
  readonly inodes: number;
  /** What is in use, the file system's own blocks and inodes included. */
  readonly usedKiB: number;
  readonly usedInodes: number;
  readonly compressedBytes: number;
}

/** What an image came to. */
type Usage = Pick<Initrd, 'sizeKiB' | 'inodes' | 'usedKiB' | 'usedInodes'>;

/**
 * Makes the initrd of one variant: an image with the kit, the variant's modules and its niclist, gzipped.
 * Needs no root, and gives the same bytes for every user, directory and date.
 * @throws KilnError `failed` when it does not fit, with what is needed; when the format can't hold something;
 * or when init does not compile; `tool` when gcc, mke2fs, debugfs, e2fsck or gzip is missing.
 */
export async function makeInitrd(request: InitrdRequest): Promise<Initrd> {
  const { workDirectory, format } = request;
  await mkdir(workDirectory, { recursive: true });
  const common = commonOptions(request);
  const entries = layOver(request.kit ?? (await ownKit(request)), [
    ...niclistEntries(request.niclist),
    ...(await moduleEntries(request.modulesRoot, request.release)),
  ]);
  const image = join(workDirectory, 'initrd.img');
  const usage =
    format === 'ext2' ? await ext2(image, entries, request) : await packed(image, entries, request);
  const compressed = await gzip(image, join(workDirectory, 'initrd.gz'), common);
  return { image: compressed, format, ...usage, compressedBytes: (await stat(compressed)).size };
}

async function ownKit(request: InitrdRequest): Promise<ImageEntry[]> {
  if (request.init !== undefined) return builtinKit(request.init);
  const init = join(request.workDirectory, 'init');
  await compileInit({ compiler: request.compiler, output: init, ...commonOptions(request) });
  return builtinKit(init);
}

async function ext2(image: string, entries: readonly ImageEntry[], request: InitrdRequest): Promise<Usage> {
  const options = { epoch: request.epoch, ...(request.signal && { signal: request.signal }) };
  const usage = await makeExt2Image(image, entries, request, options, request.log);
  return {
    sizeKiB: usage.blocks,
    inodes: usage.inodes,
    usedKiB: usage.blocks - usage.freeBlocks,
    usedInodes: usage.inodes - usage.freeInodes,
  };
}

/** The formats that nobody writes to: they are as large as what is in them. */
async function packed(image: string, entries: readonly ImageEntry[], request: InitrdRequest): Promise<Usage> {
  const tree = await loadTree(entries);
  const bytes =
    request.format === 'cramfs'
      ? await writeCramfs(tree, request)
      : request.format === 'romfs'
        ? writeRomfs(tree)
        : writeCpio(tree, request.epoch);
  const sizeKiB = Math.ceil(bytes.length / 1024);
  const inodes = countNodes(tree);
  refuseTooSmall({ sizeKiB, inodes }, request);
  await writeFile(image, bytes);
  return { sizeKiB, inodes, usedKiB: sizeKiB, usedInodes: inodes };
}

function commonOptions({ signal, log }: InitrdRequest): { signal?: AbortSignal; log?: string } {
  return { ...(signal === undefined ? {} : { signal }), ...(log === undefined ? {} : { log }) };
}

/**
 * GNU gzip rather than Node's zlib: the latter's output depends on the processor that it runs on.
 * -n leaves name and time out of the header.
 */
async function gzip(
  file: string,
  target: string,
  options: { signal?: AbortSignal; log?: string },
): Promise<string> {
  const result = await run('gzip', ['-9', '-n', '-f', file], options);
  if (result.exitCode !== 0) throw new Error(`gzip ${file} failed:\n${result.tail.join('\n')}`);
  await rename(`${file}.gz`, target);
  return target;
}
