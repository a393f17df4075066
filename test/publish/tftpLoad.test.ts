import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { chmodSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { bootConfigs } from '../../src/initrd/index.ts';
import { type Home, homeAt } from '../../src/platform/home.ts';
import { publishBundle, readChannel, rollback } from '../../src/publish/index.ts';
import { freshDirectory } from '../support/kiln.ts';
import { storeBundle } from './fixture.ts';
import { shareOf, tell } from './share.ts';

const FLIPS = shareOf(1000, 40);
const CLIENTS = 4;

/**
 * Each in a network namespace of its own, with an address besides the loopback, as tftpd-hpa wants it. Debian's
 * tftpd-hpa and atftpd exclude each other: the one that is not installed is unpacked beside.
 */
const SERVERS = [
  {
    name: 'dnsmasq',
    program: programOf('dnsmasq-base', 'dnsmasq', 'Dnsmasq'),
    options:
      '--no-daemon --port=0 --conf-file=/dev/null --user=root --enable-tftp --tftp-max=200 --tftp-root="$1"',
  },
  {
    name: 'tftpd-hpa --secure',
    program: programOf('tftpd-hpa', 'in.tftpd', 'tftp-hpa'),
    options: '-L -4 --secure -a 10.99.0.1:69 "$1"',
  },
  {
    name: 'atftpd',
    program: programOf('atftpd', 'atftpd', 'atftp'),
    options: '--daemon --no-fork --user root.root --logfile /dev/null --bind-address 10.99.0.1 "$1"',
  },
].map(({ options, ...server }) => ({ ...server, start: `${server.program} ${options}` }));

/** The server of a Debian package: installed, or else unpacked from the package; undefined where neither can be had. */
function programOf(name: string, program: string, says: string): string | undefined {
  const installed = `/usr/sbin/${program}`;
  const told = spawnSync(installed, [program === 'in.tftpd' ? '-V' : '--version'], { encoding: 'utf8' });
  if (`${told.stdout}${told.stderr}`.includes(says)) return installed;
  const place = freshDirectory(name);
  const unpack = `cd "$1"; apt-get download -q ${name}; dpkg -x *.deb .`;
  const unpacked = join(place, 'usr/sbin', program);
  spawnSync('sh', ['-euc', unpack, 'sh', place], { timeout: 60_000 });
  return existsSync(unpacked) ? unpacked : undefined;
}

const NODES = join(import.meta.dirname, 'tftpNodes.ts');

interface Met {
  readonly loads: number;
  readonly bundles: Readonly<Record<string, number>>;
  readonly errors: readonly string[];
}

/** Two bundles whose config names their own kernel and initrd, published one after the other. */
async function twoGenerations(): Promise<{ home: Home; digests: Record<string, string> }> {
  const home = homeAt(freshDirectory('load'));
  const digests: Record<string, string> = {};
  for (const id of ['one', 'two']) {
    const configs = bootConfigs({
      id,
      files: { kernel: 'vmlinuz', initrd: 'initrd.gz' },
      cmdline: 'root=/dev/ram0',
      label: id,
    });
    const bundle = await storeBundle(home, id, {
      files: { vmlinuz: randomBytes(8000), 'initrd.gz': randomBytes(4000), ...configs },
    });
    for (const name of ['vmlinuz', 'initrd.gz']) {
      digests[`bundles/${id}/${name}`] = bundle.manifest.files[name]?.sha256 ?? '';
    }
    await publishBundle(home, bundle, 'lts/node');
  }
  // Servers that change their user have to get at the root.
  for (const path of [home.tftp, home.root, dirname(home.root)]) chmodSync(path, 0o755);
  return { home, digests };
}

/** Boots nodes from a server while something happens, which may wait for the first of a bundle; gives what they met. */
async function bootMeanwhile(
  start: string,
  home: Home,
  digests: Record<string, string>,
  action: (booted: (bundle: string) => Promise<void>) => Promise<void>,
): Promise<Met> {
  const script = `
    ip link set lo up; ip addr add 10.99.0.1/24 dev lo
    ${start} >/dev/null 2>&1 </dev/null &
    trap "kill $!" EXIT
    "$2" --disable-warning=ExperimentalWarning "$3" 10.99.0.1 69 ${CLIENTS} lts/node "$4"`;
  const args = [
    '-n',
    'sh',
    '-euc',
    script,
    'sh',
    home.tftp,
    process.execPath,
    NODES,
    JSON.stringify(digests),
  ];
  const nodes = spawn('unshare', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(nodes, 'exit');
  const said = new Set<string>();
  const told = new EventEmitter();
  const booted = async (bundle: string) => {
    while (!said.has(`booted ${bundle}`)) await once(told, 'line');
  };
  let met: Met | undefined;
  let acting: Promise<void> | undefined;
  for await (const line of createInterface({ input: nodes.stdout })) {
    said.add(line);
    told.emit('line');
    if (line === 'booting') {
      acting = action(booted).finally(() => nodes.stdin.end('stop\n'));
      // It is thrown below, once the nodes have stopped.
      acting.catch(() => undefined);
    } else if (line.startsWith('{')) met = JSON.parse(line) as Met;
  }
  await ended;
  if (met === undefined) throw new Error('the nodes said nothing');
  await acting;
  return met;
}

const root = process.getuid?.() === 0;

describe.skipIf(!root)(
  'nodes that boot while their channel flips (needs root, for a network namespace)',
  () => {
    for (const { name, program, start } of SERVERS) {
      const missing = program === undefined ? ' (skipped: it is not installed, and apt has no package)' : '';
      it.skipIf(program === undefined)(
        `get one bundle whole or the other from ${name}, without an error, through ${FLIPS} flips${missing}`,
        async () => {
          const { home, digests } = await twoGenerations();
          const met = await bootMeanwhile(start, home, digests, async (booted) => {
            for (let flip = 0; flip < FLIPS; flip += 1) {
              await rollback(home, 'lts/node', 1 + (flip % 2));
              // All flips may be over before a node gets to ask again, and none would have met the other bundle.
              if (flip === 0) await booted('one');
            }
          });
          // The first answers may come before the server is up: it is asked again, which is no error.
          expect(met.errors).toEqual([]);
          expect(Object.keys(met.bundles).sort()).toEqual(['one', 'two']);
          tell(`${name}: ${FLIPS} flips, ${met.loads} loads of ${JSON.stringify(met.bundles)}, no error`);
          expect((await readChannel(home, 'lts/node'))?.flips).toHaveLength(FLIPS + 2);
        },
      );
    }
  },
);
