import type { Command } from 'commander';
import { readlinkIfAny } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import {
  type ChannelRecord,
  currentGeneration,
  linkPath,
  listChannels,
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
      const records = name === undefined ? await listChannels(home) : [await readChannel(home, name)];
      const known = records.filter((record) => record !== undefined);
      if (name !== undefined && known.length === 0) throw unknownChannel(name);
      const documents = await Promise.all(known.map((record) => describe(home, record)));
      if (json) return printJson({ channels: documents });
      if (known.length === 0) return print('No channels yet: kiln build publishes to them.');
      if (name === undefined) return print(overview(documents));
      print(history(documents[0]));
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
      const record = await readChannel(home, name);
      if (record === undefined) throw unknownChannel(name);
      const document = await describe(home, record);
      if (json) return printJson({ channels: [document] });
      print(history(document));
    });
}

type Document = Awaited<ReturnType<typeof describe>>;

async function describe(home: Home, record: ChannelRecord) {
  const now = currentGeneration(record);
  const flip = record.flips.at(-1);
  return {
    name: record.name,
    generation: now?.generation ?? null,
    bundle: now?.bundle ?? null,
    /** As the symlink says it; null where it is missing. */
    target: (await readlinkIfAny(linkPath(home, record.name))) ?? null,
    since: flip?.at ?? null,
    history: record.generations.map(({ generation, bundle, at, by, reason }) => ({
      generation,
      bundle,
      at,
      by,
      reason,
    })),
    flips: record.flips,
    ...(record.pin === undefined ? {} : { pin: record.pin }),
  };
}

function bold(cell: string, _column: number, row: number): string {
  return row === -1 ? styled('bold', cell, process.stdout) : cell;
}

function overview(documents: readonly Document[]): string {
  const rows = documents.map((one) => [
    one.name,
    String(one.generation ?? '-'),
    one.bundle ?? '-',
    one.target ?? 'no symlink',
    one.since ?? '-',
    one.pin === undefined ? '' : `by ${one.pin.by}: ${one.pin.reason}`,
  ]);
  return table(['CHANNEL', 'GENERATION', 'BUNDLE', 'TARGET', 'SINCE', 'PINNED'], rows, bold);
}

function history(one: Document | undefined): string {
  if (one === undefined) return '';
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
