import { existsSync } from 'node:fs';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RemoteStorages } from '../ccache/storages.ts';
import type { KernelFamily, Toolchain } from '../kernel/index.ts';
import { readTextIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { findCommand } from '../platform/hosttools.ts';
import type { Sandbox } from '../platform/sandbox.ts';

/** How ccache is to be used. */
export interface CcacheSettings {
  readonly use: 'auto' | 'off';
  /** As ccache takes it: `2G`. */
  readonly size: string;
  /** ccache's remote storages, as it takes them: `redis://host:6379 http://host/cache|layout=flat`; empty for none. */
  readonly remote: string;
}

/** What a build gets to run its compiler through ccache. */
export interface Ccache {
  readonly env: Readonly<Record<string, string>>;
  readonly writable: readonly string[];
  readonly remote: RemoteStorages;
}

/** ccache for this home, or undefined where it is not installed, not wanted, or another user's. */
export async function ccacheFor(
  home: Home,
  settings: CcacheSettings,
  toolchain: Toolchain,
  remote: RemoteStorages,
): Promise<Ccache | undefined> {
  if (settings.use === 'off' || (await findCommand('ccache')) === undefined) return undefined;
  const directory = join(home.cache, 'ccache');
  await mkdir(directory, { recursive: true });
  // Another user's can't be written to where steps run, not even by root.
  if ((await stat(directory)).uid !== process.geteuid?.()) return undefined;
  return {
    remote,
    writable: [directory, ...(await remote.places())],
    env: {
      // ccache puts variables' values into its settings, and has no other way to write the sign they begin with.
      CCACHE_DIR: directory.replaceAll('$', `\${KILN_DOLLAR}`),
      KILN_DOLLAR: '$',
      CCACHE_MAXSIZE: settings.size,
      // The compiler is who it is by what it says and by its size, as in every key of Kiln's.
      CCACHE_COMPILERCHECK: `string:${toolchain.fingerprint}`,
      // Times of files say nothing in a tree that was just laid out; __DATE__ is SOURCE_DATE_EPOCH's.
      CCACHE_SLOPPINESS: 'include_file_mtime,include_file_ctime,time_macros',
      CCACHE_NOHASHDIR: '1',
      CCACHE_DEPEND: '1',
    },
  };
}

/** Writes the program that runs a compiler in a sandbox through ccache into a directory; its name there. */
export async function writeLauncher(
  directory: string,
  family: KernelFamily,
  { kind }: Sandbox,
): Promise<string> {
  const name = 'ccache-cc';
  await writeFile(join(directory, name), launcher(family, kind === 'bubblewrap'), { mode: 0o755 });
  return name;
}

/** It is running in half the time that bash takes, which /bin/sh may be inside. */
const SMALL_SHELL = '/usr/bin/dash';

/**
 * What stands before the compiler. By the list of dependencies that the compiler writes on the way, ccache does
 * without running the preprocessor first, which costs a cold build a quarter of its time; makefiles of 2.2 and 2.4 ask
 * for no such list, those of 2.6 do. Only the preprocessor knows where another configuration leaves the code as it
 * was, which is worth its time in sources that are compiled for each.
 * @param passing its /tmp goes with the sandbox: removing lists one by one would take a process more for each source
 */
function launcher({ everyConfiguration }: KernelFamily, passing: boolean): string {
  const listed = 'ccache "$@" -MD -MF "$list"';
  return `#!${existsSync(SMALL_SHELL) ? SMALL_SHELL : '/bin/sh'}
for word; do
  case $word in
    -c) compiles=y ;;
    -MD | -MMD | -Wp,-MD* | -Wp,-MMD*) lists=y ;;${everyConfiguration.map((source) => `\n    ${source}) preprocess=y ;;`).join('')}
  esac
done
[ -n "\${compiles-}" ] || exec "$@"
[ -z "\${lists-}" ] || exec ccache "$@"
if [ -n "\${preprocess-}" ]; then
  unset CCACHE_DEPEND
  exec ccache "$@"
fi
list=\${TMPDIR:-/tmp}/kiln-dependencies.$$
${passing ? `exec ${listed}` : `${listed}\nstatus=$?\nrm -f "$list"\nexit $status`}
`;
}

/** What ccache has made of the sources of a step. */
export interface CcacheResults {
  readonly hits: number;
  readonly misses: number;
  /** Hits that a remote storage had. */
  readonly remote: number;
}

/**
 * Reads ccache's log of results (CCACHE_STATSLOG): for each source a line `# NAME`, and under it what was counted. What
 * a remote storage knew of a source may be of other headers than these: that alone is no hit.
 */
export async function ccacheResults(log: string): Promise<CcacheResults> {
  const sources = ((await readTextIfAny(log)) ?? '').split(/^# .*$/m).map((part) => part.split('\n'));
  const isHit = (lines: string[]) =>
    lines.includes('direct_cache_hit') || lines.includes('preprocessed_cache_hit');
  const hits = sources.filter(isHit);
  return {
    hits: hits.length,
    misses: sources.filter((lines) => lines.includes('cache_miss')).length,
    remote: hits.filter((lines) => lines.includes('remote_storage_hit')).length,
  };
}
