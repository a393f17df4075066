import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { CHECKOUT } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import { exists, listIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import { userName } from '../platform/user.ts';
import { defaultChannel, listStates } from '../publish/index.ts';

/** A configuration file of another program, made for one home. */
export interface Example {
  readonly name: string;
  readonly text: string;
}

const TEMPLATES = join(import.meta.dirname, 'examples');

/** What all units share; no example by itself. */
const HARDENING = 'hardening';

/** An IPv4 network as servers are told of it; addresses as dotted quads. */
export interface Network {
  readonly address: string;
  readonly netmask: string;
  readonly network: string;
  readonly broadcast: string;
  /** Addresses for nodes: the upper half of the network. */
  readonly first: string;
  readonly last: string;
}

/** The configuration files under src/server/examples/, filled in for a home and the network it serves. */
export async function makeExamples(home: Home, network: Network, port: number): Promise<Example[]> {
  const channels = await channelExamples(home);
  const values = {
    ...network,
    home: home.root,
    tftp: home.tftp,
    checkout: CHECKOUT,
    kiln: join(CHECKOUT, 'kiln'),
    user: userName(),
    port: String(port),
    // Nodes boot one channel, whichever loader they have.
    channel: (await defaultChannel(home)) ?? channels[0]?.name ?? 'lts/stable',
  };
  const hardening = fill(await readFile(join(TEMPLATES, HARDENING), 'utf8'), values, channels);
  const names = (await listIfAny(TEMPLATES)).filter((name) => name !== HARDENING);
  return Promise.all(
    names.map(async (name) => ({
      name,
      text: fill(await readFile(join(TEMPLATES, name), 'utf8'), { ...values, hardening }, channels),
    })),
  );
}

interface ChannelExample {
  readonly name: string;
  /** A word that dnsmasq takes for a tag. */
  readonly tag: string;
  /** What a node loads of it: nothing where the channel is itself a file. */
  readonly file: string;
}

async function channelExamples(home: Home): Promise<ChannelExample[]> {
  return Promise.all(
    (await listStates(home)).map(async ({ name, current }) => {
      const isNbi = await exists(join(home.tftp, name, 'vmlinuz.nbi'));
      const file = current?.file === undefined ? `/${isNbi ? 'vmlinuz.nbi' : 'boot.ipxe'}` : '';
      return { name, tag: name.replaceAll(/[^A-Za-z0-9]/g, '-'), file };
    }),
  );
}

/** Pure: `{{name}}` becomes a value; lines between `{{#channels}}` and `{{/channels}}` come once for each. */
export function fill(
  template: string,
  values: Readonly<Record<string, string>>,
  channels: readonly ChannelExample[],
): string {
  const each = /^\{\{#channels\}\}\n([\s\S]*?)^\{\{\/channels\}\}\n/gm;
  const value = (text: string, known: Readonly<Record<string, string>>) =>
    text.replaceAll(/\{\{(\w+)\}\}/g, (whole, name: string) => known[name] ?? whole);
  const repeated = template.replaceAll(each, (_, lines: string) =>
    channels.map((channel) => value(lines, { ...channel })).join(''),
  );
  return value(repeated, values);
}

/** The first network of this machine that is not its own loop; an example's where it has none. */
export function ownNetwork(): Network {
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  return outside?.cidr === null || outside?.cidr === undefined
    ? networkOf('192.168.0.254/24')
    : networkOf(outside.cidr);
}

/**
 * Pure: a network from the server's address with the length of its prefix.
 * @throws KilnError `usage` for what is none, or has no room for nodes
 */
export function networkOf(cidr: string): Network {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  const bytes = (match ?? []).slice(1, 5).map(Number);
  const prefix = Number(match?.[5]);
  if (match === null || bytes.some((byte) => byte > 255) || prefix < 8 || prefix > 29) {
    throw new KilnError('usage', `${cidr} is no IPv4 address with a prefix`, {
      hint: 'the address of the server in the network of its nodes, e.g. 192.168.0.254/24',
    });
  }
  const own = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const size = 2 ** (32 - prefix);
  const start = own - (own % size);
  return {
    address: quad(own),
    netmask: quad(2 ** 32 - size),
    network: quad(start),
    broadcast: quad(start + size - 1),
    // Clear of a server that has the first or the last address.
    first: quad(start + size / 2),
    last: quad(start + size - 3),
  };
}

function quad(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
