import { createWriteStream } from 'node:fs';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { parseBootScript } from '../initrd/index.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny } from '../platform/files.ts';
import { baseEnvironment, lineSplitter, type RunResult, run } from '../platform/process.ts';
import { tftpRequests } from './capture.ts';
import {
  type ConsoleFailure,
  type ConsoleOutcome,
  ConsoleWatch,
  type ExpectedLine,
  type FailureReason,
  type LinePattern,
  renderLine,
} from './console.ts';
import { followFile } from './follow.ts';
import { LAN_INTERFACE, LAN_NOT_SHOWN, type Lan, lanCommand, lanEnvironment, lanUnavailable } from './lan.ts';
import { findNic, type Nic } from './nics.ts';
import {
  type Accelerator,
  findIpxe,
  findProgram,
  findQemu,
  hasKvm,
  type Loader,
  type Machine,
  qemuArguments,
} from './qemu.ts';

export interface BootRequest {
  /** The TFTP root: it has bundles/<id>/ and the channel's link, as nodes will find them. */
  readonly tftpRoot: string;
  /** What DHCP names, from the TFTP root, e.g. `lts/openmosix-rtl8139/boot.ipxe`. */
  readonly bootFile: string;
  /** QEMU's model of network card, or an alias of it (nics.tsv). */
  readonly nic: string;
  /** Lines that the console must show, all of them, in any order. */
  readonly expect: readonly ExpectedLine[];
  /** Lines that fail the boot; a kernel's panic and a loader's giving up always do. */
  readonly forbid?: readonly LinePattern[];
  readonly timeoutMs: number;
  /** Milliseconds that a node gets to finish telling why it failed; 1000 by default. */
  readonly lastWordsMs?: number;
  /**
   * `network` by default: the node asks DHCP and TFTP. `kernel` has QEMU load what the boot script names,
   * which is faster and shows nothing of the network boot.
   */
  readonly loader?: 'network' | 'kernel';
  /** Real servers instead of QEMU's own DHCP and TFTP, in namespaces that go with the call. */
  readonly lan?: Lan;
  /** 64 by default. */
  readonly memoryMiB?: number;
  /**
   * `tcg` by default. 2.4 guests hang under KVM on some machines, so `auto` first tries whether this very
   * guest comes up under KVM (for 20 seconds at most), and else boots it under TCG.
   */
  readonly accelerator?: Accelerator | 'auto';
  /** File that the console's lines are written to, as a terminal would show them. */
  readonly consoleLog: string;
  /** Called with each of these lines. */
  readonly onLine?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** How the boot went: the seconds it took, and by what means. */
export interface BootRun {
  readonly seconds: number;
  readonly accelerator: Accelerator;
  readonly loader: Loader['kind'];
  /** The files that the node asked the TFTP server for, in order. */
  readonly loaded: readonly string[];
}

export type BootVerdict =
  | ({ readonly status: 'passed'; readonly matched: readonly string[] } & BootRun)
  | ({
      readonly status: 'failed';
      readonly reason: FailureReason;
      readonly sentence: string;
      /** The console's last 20 lines that are not empty. */
      readonly tail: readonly string[];
    } & BootRun)
  | { readonly status: 'skipped'; readonly reason: string };

const DEFAULT_MEMORY_MIB = 64;
const KVM_PROBE_MS = 20_000;
const TAIL_LINES = 20;
const LAST_WORDS_MS = 1000;

/** BOOTP's file field is 128 bytes with its final zero (RFC 951, 3). */
const BOOT_FILE_BYTES = 127;

/**
 * Boots a node from a TFTP root in QEMU, on the network card asked for, and judges it by its console.
 * Ends as soon as everything expected was seen, a kernel panicked, QEMU ended, or time ran out; the node
 * can reach nothing but the TFTP root, and no QEMU outlives the call, or Kiln.
 * @throws KilnError `usage` for a card that QEMU does not have or a boot file that DHCP can't carry;
 * `integrity` for a boot file whose link leads out of the TFTP root; the signal's reason when stopped.
 */
export async function bootBundle(request: BootRequest): Promise<BootVerdict> {
  const nic = findNic(request.nic);
  assertBootFile(request.bootFile);
  await assertInsideRoot(request.tftpRoot, request.bootFile);
  const qemu = await findQemu();
  if (qemu === undefined) {
    return { status: 'skipped', reason: 'QEMU is not installed (Debian: qemu-system-x86)' };
  }
  const unavailable = request.lan === undefined ? undefined : await lanUnavailable(request.lan);
  if (unavailable !== undefined) return { status: 'skipped', reason: unavailable };
  await mkdir(dirname(request.consoleLog), { recursive: true });
  await rm(request.consoleLog, { force: true });
  const loader = await chooseLoader(nic, request);
  const attempt = (accelerator: Accelerator, timeoutMs: number) =>
    bootOnce(qemu.path, request, nic, loader, accelerator, timeoutMs);
  if (request.accelerator === 'auto' && (await hasKvm())) {
    const probe = await attempt('kvm', Math.min(KVM_PROBE_MS, request.timeoutMs));
    if (probe.status === 'passed') return probe;
  }
  return attempt(request.accelerator === 'kvm' ? 'kvm' : 'tcg', request.timeoutMs);
}

function assertBootFile(bootFile: string): void {
  if (Buffer.byteLength(bootFile) <= BOOT_FILE_BYTES && /^[!-~]+$/.test(bootFile)) return;
  throw new KilnError('usage', `${JSON.stringify(bootFile)} can't be a boot file's name`, {
    hint: `DHCP carries up to ${BOOT_FILE_BYTES} printable ASCII characters without blanks`,
  });
}

/** QEMU would follow a link out of its root; the servers that nodes ask are chrooted and don't. */
async function assertInsideRoot(tftpRoot: string, name: string): Promise<void> {
  const root = await realpath(tftpRoot);
  const path = await realpath(join(root, name)).catch(() => undefined);
  // One that is missing is for the node to find out.
  if (path === undefined) return;
  const inside = relative(root, path);
  if (!inside.startsWith('..') && !isAbsolute(inside)) return;
  throw new KilnError('integrity', `${join(tftpRoot, name)} leads to ${path}, out of the TFTP root`, {
    hint: 'a channel is a relative link to something below the TFTP root',
  });
}

async function chooseLoader(nic: Nic, request: BootRequest): Promise<Loader> {
  if (request.loader !== 'kernel') {
    if (nic.rom) return { kind: 'pxe' };
    const image = await findIpxe();
    if (image !== undefined) return { kind: 'ipxe', image };
  }
  const path = join(request.tftpRoot, request.bootFile);
  const script = parseBootScript((await readTextIfAny(path)) ?? '');
  if (script === undefined) {
    throw new KilnError('failed', `${path} names no kernel that QEMU could load for ${nic.model} by itself`, {
      hint: `it must be a boot.ipxe of Kiln's; a card without a boot ROM takes any boot file after apt-get install ipxe`,
    });
  }
  return {
    kind: 'kernel',
    kernel: join(request.tftpRoot, script.kernel),
    initrd: join(request.tftpRoot, script.initrd),
    cmdline: script.cmdline,
  };
}

async function bootOnce(
  qemu: string,
  request: BootRequest,
  nic: Nic,
  loader: Loader,
  accelerator: Accelerator,
  timeoutMs: number,
): Promise<BootVerdict> {
  const machine: Machine = {
    accelerator,
    memoryMiB: request.memoryMiB ?? DEFAULT_MEMORY_MIB,
    nic,
    loader,
    tftpRoot: await realpath(request.tftpRoot),
    bootFile: request.bootFile,
    ...(request.lan === undefined ? {} : { tap: LAN_INTERFACE }),
    console: `${request.consoleLog}.raw`,
    capture: `${request.consoleLog}.pcap`,
  };
  const started = performance.now();
  let watched: Watched;
  let loaded: string[];
  try {
    await writeFile(machine.console, '');
    watched = await watch(qemu, machine, request, timeoutMs);
    loaded = tftpRequests(await readFile(machine.capture).catch(() => Buffer.alloc(0)));
  } finally {
    await rm(machine.console, { force: true });
    await rm(machine.capture, { force: true });
  }
  if (watched.notShown !== undefined) return { status: 'skipped', reason: watched.notShown };
  for (const name of loaded) await assertInsideRoot(request.tftpRoot, name);
  const how: BootRun = {
    seconds: (performance.now() - started) / 1000,
    accelerator,
    loader: loader.kind,
    loaded,
  };
  if (watched.failure === undefined) return { status: 'passed', matched: watched.matched, ...how };
  const { reason, sentence } = watched.failure;
  return { status: 'failed', reason, sentence, tail: watched.tail, ...how };
}

interface Watched {
  readonly failure: ConsoleFailure | undefined;
  /** Why a network of real servers could not be had; then no node was started. */
  readonly notShown: string | undefined;
  readonly matched: readonly string[];
  readonly tail: readonly string[];
}

/** Runs QEMU until the console has decided, and says what it decided. */
async function watch(
  qemu: string,
  machine: Machine,
  request: BootRequest,
  timeoutMs: number,
): Promise<Watched> {
  const watcher = new ConsoleWatch(request.expect, request.forbid);
  const decided = new AbortController();
  const log = createWriteStream(request.consoleLog, { flags: 'a' });
  const logged = finished(log);
  let tail: string[] = [];
  let outcome: ConsoleOutcome | undefined;
  let lastWords: NodeJS.Timeout | undefined;

  const servers = request.lan === undefined ? undefined : await serversOf(request.lan, machine);
  const around = [...(await dyingWithParent()), ...(servers?.command ?? [])];
  const command = [...around, qemu, ...qemuArguments(machine)];
  let notShown: string | undefined;
  log.write(`# ${command.join(' ')}\n`);
  const show = (line: string) => {
    log.write(`${line}\n`);
    request.onLine?.(line);
    tail = [...tail, line].slice(-TAIL_LINES);
  };
  const console = lineSplitter((raw) => {
    const line = renderLine(raw);
    if (line === '') return;
    show(line);
    if (outcome !== undefined) return;
    outcome = watcher.read(line);
    if (outcome?.status === 'complete') decided.abort();
    else if (outcome !== undefined) {
      lastWords = setTimeout(() => decided.abort(), request.lastWordsMs ?? LAST_WORDS_MS);
    }
  });
  const following = await followFile(machine.console, (bytes) => console.push(bytes));
  try {
    const result = await run(command[0] ?? qemu, command.slice(1), {
      ...(servers === undefined ? {} : { env: servers.environment }),
      onLine: (line) => {
        notShown ??= LAN_NOT_SHOWN.exec(line)?.[1];
        // That it ends by the signal we sent is no news.
        if (!line.includes('terminating on signal')) show(/^lan: /.test(line) ? line : `qemu: ${line}`);
      },
      timeoutMs,
      signal: AbortSignal.any([decided.signal, ...(request.signal === undefined ? [] : [request.signal])]),
    }).finally(() => following.end());
    console.end();
    request.signal?.throwIfAborted();
    const end = outcome ?? silentEnd(result, watcher, timeoutMs);
    return { failure: 'reason' in end ? end : undefined, notShown, matched: watcher.matched, tail };
  } finally {
    clearTimeout(lastWords);
    log.end();
    await logged;
  }
}

interface Servers {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** The servers of a network, whose logs go beside the console's. */
async function serversOf(lan: Lan, machine: Machine): Promise<Servers> {
  const logs = `${machine.console.replace(/\.raw$/, '')}.servers`;
  await rm(logs, { recursive: true, force: true });
  await mkdir(logs, { recursive: true });
  const base = baseEnvironment();
  return {
    command: await lanCommand(),
    environment: {
      ...base,
      // Servers are in places that a user's PATH may not have.
      PATH: `${base.PATH}:/usr/sbin:/sbin`,
      ...lanEnvironment(lan, { tftpRoot: machine.tftpRoot, bootFile: machine.bootFile, logs }),
    },
  };
}

/** Words for an end that the console did not decide. */
function silentEnd(result: RunResult, watcher: ConsoleWatch, timeoutMs: number): ConsoleFailure {
  const missing = watcher.missing.join(' and ');
  if (result.timedOut) {
    return {
      reason: 'timeout',
      sentence: `after ${timeoutMs / 1000} s the console had not said ${missing}`,
    };
  }
  const how =
    result.exitCode === 0
      ? 'the node went off or rebooted'
      : `QEMU ended with ${result.signal ?? `exit code ${result.exitCode}`}`;
  return { reason: 'exited', sentence: `${how} before the console said ${missing}` };
}

/** A prefix that has the kernel kill QEMU when Kiln is gone, even by SIGKILL; nothing where setpriv is missing. */
async function dyingWithParent(): Promise<string[]> {
  const setpriv = await findProgram('setpriv');
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL', '--'];
}
