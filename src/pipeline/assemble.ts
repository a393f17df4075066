import { constants } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Manifest,
  packReproducibly,
  recordFiles,
  type SourceRecord,
  writeProvenance,
} from '../bundle/index.ts';
import type { Initrd } from '../initrd/index.ts';
import type { Toolchain } from '../kernel/index.ts';
import { sha256 } from '../platform/digest.ts';
import type { SandboxKind } from '../platform/sandbox.ts';
import type { Variant } from '../recipe/variants.ts';
import type { FetchedSource } from '../sources/index.ts';
import { commandLine, expectations, networkCards } from './boot-options.ts';
import type { Compiled } from './compile.ts';
import type { Configured } from './configure.ts';
import { makeImages } from './images.ts';
import { sortSources } from './inputs.ts';
import type { TextInput, VariantKeys } from './plan.ts';
import type { TreeRecord } from './tree.ts';

export interface AssembleRequest {
  readonly staged: string;
  readonly variant: Variant;
  readonly keys: VariantKeys;
  readonly sources: readonly FetchedSource[];
  readonly tree: TreeRecord;
  readonly base: TextInput | undefined;
  readonly fragments: readonly TextInput[];
  readonly configured: Configured;
  readonly compiled: Compiled;
  readonly initrd: Initrd;
  readonly toolchain: Toolchain;
  readonly sandbox: SandboxKind;
  readonly epoch: number;
  /** For files on the way. */
  readonly workDirectory: string;
  readonly signal: AbortSignal;
  readonly log: string;
}

/** Puts a bundle's files into a directory and says in a manifest what they are; gates have not run yet. */
export async function assemble(request: AssembleRequest): Promise<Manifest> {
  const { staged, variant, keys, compiled, initrd, configured, epoch } = request;
  await mkdir(staged, { recursive: true });
  const copy = (from: string, name: string) => copyFile(from, join(staged, name), constants.COPYFILE_FICLONE);
  await copy(compiled.image, 'vmlinuz');
  await copy(compiled.systemMap, 'System.map');
  await copy(initrd.image, 'initrd.gz');
  await writeFile(join(staged, 'config'), configured.dotConfig, 'latin1');
  if (compiled.niclist !== undefined) await copy(compiled.niclist, 'niclist');
  if (compiled.modulesRoot !== undefined) {
    await packReproducibly(compiled.modulesRoot, join(staged, 'modules.tar.gz'), epoch);
  }
  const cmdline = commandLine(variant, initrd);
  const { workDirectory, toolchain, signal, log } = request;
  const { initCompiler: compiler } = toolchain;
  await makeImages({ staged, workDirectory, variant, id: keys.id, cmdline, compiler, epoch, signal, log });
  return writeProvenance(staged, await describe(request, cmdline));
}

/** Where the tools were; a chroot's path is the machine's own affair. */
function withinOf({ place }: Toolchain): Pick<Manifest['toolchain'], 'within'> {
  if (place.kind === 'host') return {};
  return { within: place.kind === 'chroot' ? 'chroot' : `container ${place.image.name} ${place.image.id}` };
}

async function describe(request: AssembleRequest, cmdline: string): Promise<Manifest> {
  const { staged, variant, keys, sources, tree, configured, compiled, initrd, toolchain, epoch } = request;
  const { recipe } = variant;
  const files = await recordFiles(staged);
  const { kernel, patches, kits } = sortSources(recipe, sources.map(sourceRecord));
  const kit = kits.find(({ name }) => name === variant.kitSource);
  return {
    format: 'kiln-bundle/1',
    id: keys.id,
    recipe: recipe.name,
    variant: variant.name,
    release: keys.release,
    arch: recipe.kernel.arch,
    channel: variant.channel,
    key: keys.bundle,
    sources: {
      kernel,
      patches: patches.map((patch, index) => {
        const {
          strip = 0,
          files: touched = 0,
          hunks = 0,
          offsets = 0,
          fuzzed = 0,
        } = tree.patches[index] ?? {};
        return { ...patch, strip, files: touched, hunks, offsets, fuzzed };
      }),
      ...(kit === undefined ? {} : { kit }),
    },
    config: {
      base: request.base?.name ?? recipe.config.base,
      fragments: variant.fragments.map(({ name }) => name),
      inputs: [...(request.base === undefined ? [] : [request.base]), ...request.fragments].map(
        ({ name, text }) => ({ name, sha256: sha256(text) }),
      ),
      requested: configured.audit.requested.length,
      accepted: recipe.config.accept,
    },
    toolchain: {
      compiler: toolchain.compilerVersion,
      binutils: toolchain.binutilsVersion,
      make: toolchain.makeVersion,
      fingerprint: toolchain.fingerprint,
      ...withinOf(toolchain),
      compat:
        tree.compat === 'off'
          ? 'off'
          : tree.compat.map(({ rule, files: touched }) => ({ rule, files: touched.length })),
    },
    build: { sandbox: request.sandbox },
    modules: compiled.modules,
    initrd: {
      kit: kit?.file ?? 'builtin',
      format: initrd.format,
      sizeKiB: initrd.sizeKiB,
      inodes: initrd.inodes,
    },
    boot: { cmdline, nic: networkCards(variant), expect: expectations(variant, keys, files['initrd.gz']) },
    gates: {},
    sourceDateEpoch: epoch,
    files,
  };
}

function sourceRecord({ name, fileName, size, sha256, substituted }: FetchedSource): SourceRecord {
  return { name, file: fileName, size, sha256, ...(substituted ? { substituted: true as const } : {}) };
}
