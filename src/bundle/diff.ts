import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfigDifference, diffConfigs } from '../kconfig/index.ts';
import { readTextIfAny } from '../platform/files.ts';
import type { StoredBundle } from './find.ts';
import type { Manifest, SourceRecord } from './manifest.ts';
import { isModule, readModuleArchive } from './modules.ts';
import { assertFiles } from './verify.ts';

/** A number of bytes in either bundle; null where there is no such thing. */
export interface SizeDifference {
  readonly name: string;
  readonly from: number | null;
  readonly to: number | null;
}

/** A source, fragment or setting in either bundle, as text; null where there is none. */
export interface InputDifference {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** How two bundles differ. What is the same in both is not in it. */
export interface BundleDifference {
  readonly from: string;
  readonly to: string;
  readonly inputs: readonly InputDifference[];
  readonly config: readonly ConfigDifference[];
  readonly toolchain: readonly InputDifference[];
  readonly files: readonly SizeDifference[];
  /** The kernel's parts in memory, by its System.map. */
  readonly sections: readonly SizeDifference[];
  /** Modules that are in one alone, or of another size; by their path below `lib/modules/<release>`. */
  readonly modules: readonly SizeDifference[];
}

/** Files of a bundle that are looked into. */
const READ = ['config', 'System.map', 'modules.tar.gz'];

/** Holds two bundles side by side. @throws KilnError `integrity` when one is damaged */
export async function diffBundles(one: StoredBundle, other: StoredBundle): Promise<BundleDifference> {
  const both = [one, other] as const;
  for (const { directory, manifest } of both) await assertFiles(directory, manifest, READ);
  const [configs, sections, modules] = await Promise.all([
    Promise.all(both.map(({ directory }) => readFile(join(directory, 'config'), 'latin1'))),
    Promise.all(both.map(sectionsOf)),
    Promise.all(both.map(modulesOf)),
  ]);
  const inputs = both.map(({ manifest }) => inputsOf(manifest));
  const tools = both.map(({ manifest }) => toolsOf(manifest));
  const files = both.map(({ manifest }) => sizesOf(manifest));
  return {
    from: one.manifest.id,
    to: other.manifest.id,
    inputs: differences(inputs[0], inputs[1]),
    config: diffConfigs(configs[0] ?? '', configs[1] ?? ''),
    toolchain: differences(tools[0], tools[1]),
    files: differences(files[0], files[1]),
    sections: differences(sections[0], sections[1]),
    modules: differences(modules[0], modules[1]),
  };
}

/** Pure: the members of two maps that differ, sorted by name. */
export function differences<T>(
  one: ReadonlyMap<string, T> = new Map(),
  other: ReadonlyMap<string, T> = new Map(),
): { name: string; from: T | null; to: T | null }[] {
  return [...new Set([...one.keys(), ...other.keys()])]
    .sort()
    .map((name) => ({ name, from: one.get(name) ?? null, to: other.get(name) ?? null }))
    .filter(({ from, to }) => from !== to);
}

function inputsOf({ sources, config, boot, initrd }: Manifest): Map<string, string> {
  const source = ({ file, sha256 }: SourceRecord) => `${file} ${sha256.slice(0, 12)}`;
  return new Map([
    ['kernel', source(sources.kernel)],
    ...sources.patches.map((patch) => [`patch ${patch.name}`, source(patch)] as const),
    ['config base', config.base],
    ...(config.inputs ?? []).map(({ name, sha256 }) => [`fragment ${name}`, sha256.slice(0, 12)] as const),
    ['kernel command line', boot.cmdline],
    ['initrd kit', initrd.kit],
  ]);
}

function toolsOf({ toolchain }: Manifest): Map<string, string> {
  const { compiler, binutils, make, compat, within, fingerprint } = toolchain;
  const rules = compat === 'off' ? 'off' : compat.map(({ rule }) => rule).join(' ');
  return new Map([
    ['compiler', compiler],
    ['binutils', binutils],
    ['make', make],
    ['tools in', within ?? 'the machine'],
    ['tools', fingerprint.slice(0, 12)],
    ['compat rules', rules],
  ]);
}

function sizesOf({ files }: Manifest): Map<string, number> {
  return new Map(Object.entries(files).map(([name, { size }]) => [name, size]));
}

async function modulesOf(bundle: StoredBundle): Promise<Map<string, number>> {
  const prefix = `lib/modules/${bundle.manifest.release}/`;
  const members = (await readModuleArchive(bundle)).filter(isModule);
  return new Map(members.map(({ path, bytes }) => [path.replace(prefix, ''), bytes.length]));
}

async function sectionsOf({ directory }: StoredBundle): Promise<Map<string, number>> {
  return sectionSizes((await readTextIfAny(join(directory, 'System.map'))) ?? '');
}

/** The kernel's parts and the symbols of its linker script between which each lies (arch/i386/vmlinux.lds). */
const SECTIONS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['text', ['_text', '_stext'], ['_etext']],
  ['data', ['_sdata', '_data', '_etext'], ['_edata']],
  ['init', ['__init_begin'], ['__init_end']],
  ['bss', ['__bss_start'], ['__bss_stop', '_end']],
  ['whole', ['_text', '_stext'], ['_end']],
];

/** Pure: bytes of each part of a kernel, from its System.map. A part whose symbols are not there is left out. */
export function sectionSizes(systemMap: string): Map<string, number> {
  const addresses = new Map<string, number>();
  for (const [, address = '', symbol = ''] of systemMap.matchAll(/^([0-9a-f]+) \w (\S+)$/gm)) {
    addresses.set(symbol, Number.parseInt(address, 16));
  }
  const first = (names: readonly string[]) => names.map((name) => addresses.get(name)).find(Number.isFinite);
  const sizes = new Map<string, number>();
  for (const [name, starts, ends] of SECTIONS) {
    const [start, end] = [first(starts), first(ends)];
    if (start !== undefined && end !== undefined && end >= start) sizes.set(name, end - start);
  }
  return sizes;
}
