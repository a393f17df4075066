import type { Command } from 'commander';
import { readlinkIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import {
  type ChannelRecord,
  type ChannelState,
  linkPath,
  listChannels,
  listStates,
  readChannel,
  unknownChannel,
} from '../publish/index.ts';
import { contextOf } from './context.ts';
import { print, printJson, styled, table } from './output.ts';

export function registerChannels(program: Command): void {
  const command = program
    .command('channels')
    .description('show what each channel points to, and its generations')
    .argument('[CHANNEL]', 'only this one, with its history')
    .action(async (name: string | undefined) => {
      const { home, json } = await contextOf(command);
      if (name !== undefined) return printHistory(home, name, json);
      if (json) {
        const records = await listChannels(home);
        return printJson({ channels: await Promise.all(records.map((record) => describe(home, record))) });
      }
      const states = await listStates(home);
      if (states.length === 0) return print('No channels yet: kiln build publishes to them.');
      print(overview(await Promise.all(states.map((state) => standing(home, state)))));
    });
}

/** `kiln history CHANNEL`: what `kiln channels CHANNEL` says, for those who look for it under this name. */
export function registerHistory(program: Command): void {
  const command = program
    .command('history')
    .description("show a channel's generations and every flip of it: when, who, why")
    .argument('<CHANNEL>', 'the channel')
    .action(async (name: string) => {
      const { home, json } = await contextOf(command);
      await printHistory(home, name, json);
    });
}

async function printHistory(home: Home, name: string, json: boolean): Promise<void> {
  const record = await readChannel(home, name);
  if (record === undefined) throw unknownChannel(name);
  const document = await describe(home, record);
  if (json) printJson({ channels: [document] });
  else print(history(document));
}

/** What a channel points to. */
async function standing(home: Home, { name, current, moved, pin }: ChannelState) {
  return {
    name,
    generation: current?.generation ?? null,
    bundle: current?.bundle ?? null,
    /** As the symlink says it; null where it is missing. */
    target: (await readlinkIfAny(linkPath(home, name))) ?? null,
    since: moved?.at ?? null,
    ...(pin === undefined ? {} : { pin }),
  };
}

type Standing = Awaited<ReturnType<typeof standing>>;
type Document = Awaited<ReturnType<typeof describe>>;

async function describe(home: Home, record: ChannelRecord) {
  return {
    ...(await standing(home, record)),
    history: record.generations.map(({ generation, bundle, at, by, reason }) => ({
      generation,
      bundle,
      at,
      by,
      reason,
    })),
    flips: record.flips,
  };
}

function bold(cell: string, _column: number, row: number): string {
  return row === -1 ? styled('bold', cell, process.stdout) : cell;
}

function overview(channels: readonly Standing[]): string {
  const rows = channels.map((one) => [
    one.name,
    String(one.generation ?? '-'),
    one.bundle ?? '-',
    one.target ?? 'no symlink',
    one.since ?? '-',
    one.pin === undefined ? '' : `by ${one.pin.by}: ${one.pin.reason}`,
  ]);
  return table(['CHANNEL', 'GENERATION', 'BUNDLE', 'TARGET', 'SINCE', 'PINNED'], rows, bold);
}

function history(one: Document): string {
  const rows = one.history.map((entry) => [
    entry.generation === one.generation ? '*' : ' ',
    String(entry.generation),
    entry.bundle,
    entry.at,
    entry.by,
    entry.reason,
  ]);
  const flips = one.flips.map(({ at, from, to, by, reason }) => [at, `${from ?? '-'} -> ${to}`, by, reason]);
  return [
    `${one.name} -> ${one.target ?? 'no symlink'}`,
    ...(one.pin === undefined ? [] : [`pinned by ${one.pin.by} since ${one.pin.at}: ${one.pin.reason}`]),
    '',
    table([' ', 'GENERATION', 'BUNDLE', 'AT', 'BY', 'REASON'], rows, bold),
    '',
    table(['FLIPPED', 'GENERATIONS', 'BY', 'REASON'], flips, bold),
  ].join('\n');
}
