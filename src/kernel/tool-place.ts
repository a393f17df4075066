import { realpath, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerImage, runInImage } from '../platform/container.ts';
import { hasErrno, KilnError } from '../platform/errors.ts';
import { temporaryDirectory } from '../platform/files.ts';
import type { RunResult } from '../platform/process.ts';
import { bubblewrap, bubblewrapFault } from '../platform/sandbox.ts';

/** Where the tools of a build are: on this machine, in the root of another system, or in a container's image. */
export type ToolPlace =
  | { readonly kind: 'host' }
  | { readonly kind: 'chroot'; readonly directory: string }
  | { readonly kind: 'container'; readonly image: ContainerImage };

/** A place that is not this machine. */
export type ForeignPlace = Exclude<ToolPlace, { kind: 'host' }>;

/**
 * The system below a directory, e.g. by debootstrap.
 * @throws KilnError `usage` where there is none; `tool` where bubblewrap can't be had, by which its programs run
 */
export async function chrootPlace(directory: string): Promise<ToolPlace> {
  try {
    await stat(join(directory, 'usr/bin'));
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw new KilnError('usage', `toolchain.chroot: ${directory} is no root of a system: it has no usr/bin`, {
      hint: `debootstrap --variant=minbase --include=gcc,make,binutils bookworm ${directory}`,
    });
  }
  const fault = await bubblewrapFault();
  if (fault === undefined) return { kind: 'chroot', directory: await realpath(directory) };
  throw new KilnError('tool', `toolchain.chroot needs bubblewrap: ${fault}`, {
    hint: 'apt-get install bubblewrap',
  });
}

/**
 * What every tool says of itself, a line each that begins with who says it, and the digests of what programs of the
 * build are made of: the tools, libgcc, the libraries they load. Arguments: compiler, host compiler, a directory that
 * can be written to. Old systems have only sha1sum or md5sum.
 */
const QUESTIONS = `
compiler=$(command -v "$1") || { echo "missing $1"; exit 3; }
host=$(command -v "$2") || { echo "missing $2"; exit 3; }
for tool in as ld make bash gzip sed; do
  command -v $tool > /dev/null || { echo "missing $tool"; exit 3; }
done
ask() { who=$1; shift; "$@" 2>&1 < /dev/null | while IFS= read -r line; do printf '%s %s\\n' $who "$line"; done; }
echo "path-compiler $compiler"
echo "path-host $host"
ask compiler "$compiler" -v
ask host "$host" -v
ask assembler as --version
ask linker ld --version
ask make make --version
sum=$(command -v sha256sum || command -v sha1sum || command -v md5sum) || { echo "missing sha256sum"; exit 3; }
tools="$compiler $host $("$compiler" -print-prog-name=cc1)"
for tool in as ld objcopy make bash gzip sed; do tools="$tools $(command -v $tool)"; done
libraries=$(ldd $tools 2> /dev/null | sed -n 's/^[^/]*\\(\\/[^ :]*\\) (.*/\\1/p' | sort -u)
ask digest $sum $tools "$("$compiler" -print-libgcc-file-name)" $libraries
`;

/** The answers of tools that are not this machine's. @throws KilnError `tool` for one that is missing there */
export async function askInside(place: ForeignPlace, compiler: string, hostCompiler: string) {
  const where = place.kind === 'chroot' ? place.directory : place.image.name;
  const result = await runInside(place, ['/bin/sh', '-c', QUESTIONS, 'sh', compiler, hostCompiler]);
  const lines = result.stdout.toString('utf8').split('\n');
  const missing = lines.find((line) => line.startsWith('missing '))?.slice('missing '.length);
  if (missing !== undefined || result.exitCode !== 0) {
    const sentence = missing === undefined ? 'its tools do not answer' : `there is no ${missing} in it`;
    throw new KilnError('tool', `toolchain.${place.kind} ${where}: ${sentence}`, {
      lines: missing === undefined ? result.tail.slice(-20) : [],
      hint: 'it has to have gcc, binutils, make, bash, gzip, sed, awk and find',
    });
  }
  const of = (who: string) =>
    lines.flatMap((line) => (line.startsWith(`${who} `) ? [line.slice(who.length + 1).trim()] : []));
  return {
    compiler: of('path-compiler')[0] ?? compiler,
    hostCompiler: of('path-host')[0] ?? hostCompiler,
    says: {
      compiler: of('compiler'),
      host: of('host'),
      assembler: of('assembler'),
      linker: of('linker'),
      make: of('make'),
    },
    contents: of('digest').map((line) => line.split(' ')[0]),
  };
}

/** Runs a program where the tools are, without network; it can write to /build alone, which is gone afterwards. */
export async function runInside(
  place: ForeignPlace,
  args: readonly [string, ...string[]],
): Promise<RunResult> {
  if (place.kind === 'container') return runInImage(place.image, args);
  const directory = await temporaryDirectory('kiln-ask');
  try {
    const [command, ...rest] = args;
    const sandbox = bubblewrap(directory, { system: place.directory });
    return await sandbox.run(command, rest, { capture: true, timeoutMs: 60_000 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
