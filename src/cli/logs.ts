import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { findBundle } from '../bundle/index.ts';
import { logsOf } from '../pipeline/report.ts';
import { KilnError } from '../platform/errors.ts';
import type { Home } from '../platform/home.ts';
import { contextOf } from './context.ts';
import { printJson } from './output.ts';

export function registerLogs(program: Command): void {
  const command = program
    .command('logs')
    .description("print a build log: a variant's latest, or that of a bundle")
    .argument('<RECIPE:VARIANT|BUNDLE>', "a variant, or a bundle's id or directory")
    .action(async (reference: string) => {
      const { home, json } = await contextOf(command);
      const log = await findLog(home, reference);
      if (json) return printJson({ log, text: await readFile(log, 'utf8') });
      await pipeline(createReadStream(log), process.stdout, { end: false });
    });
}

async function findLog(home: Home, reference: string): Promise<string> {
  const colon = reference.lastIndexOf(':');
  if (colon <= 0) return join((await findBundle(home, reference)).directory, 'build.log');
  const [latest] = await logsOf(home, reference.slice(0, colon), reference.slice(colon + 1));
  if (latest !== undefined) return latest;
  throw new KilnError('usage', `${reference} was never built in ${home.root}`, {
    hint: 'kiln recipes lists recipes and variants; kiln bundles what was built',
  });
}
