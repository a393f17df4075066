import type { Command } from 'commander';
import { parseBytes, parseDuration } from '../platform/units.ts';
import { collectGarbage, type GcReport } from '../publish/index.ts';
import { contextOf, wholeNumber } from './context.ts';
import { formatBytes, note, print, printJson, styled, table } from './output.ts';
import { numberOf, settingOf } from './settings.ts';

interface GcFlags {
  readonly keep?: number;
  readonly grace?: string;
  readonly cacheAge?: string;
  readonly cacheSize?: string;
  readonly dryRun?: boolean;
}

export function registerGc(program: Command): void {
  const command = program
    .command('gc')
    .description("drop what no channel's last generations need, and what the cache was not asked for")
    .option('--keep <N>', "each channel's newest generations that stay (default: 5)", wholeNumber)
    .option('--grace <TIME>', 'how long nodes may still run what their channel has left (default: 7d)')
    .option('--cache-age <TIME>', 'how long the cache and logs keep what nobody asks for (default: 30d)')
    .option('--cache-size <BYTES>', 'drop from the cache what was used least until it fits, e.g. 20GiB')
    .option('--dry-run', 'say what would be dropped and why the rest stays; drop nothing')
    .addHelpText(
      'after',
      `
Examples:
  kiln gc --dry-run
  kiln gc --keep 3 --grace 24h                  nodes are switched off every night

What a channel points to, a pin, a link in the TFTP root, and what a channel left less than the grace time ago
stays whatever --keep says. With a channel that leads nowhere, nothing is dropped and kiln gc exits with 4.`,
    )
    .action(async (flags: GcFlags) => {
      const { home, json, settings } = await contextOf(command, {
        keep: flags.keep === undefined ? undefined : String(flags.keep),
        grace: flags.grace,
        'cache-age': flags.cacheAge,
        'cache-size': flags.cacheSize,
      });
      const size = settingOf(settings, 'cache-size');
      const dryRun = flags.dryRun === true;
      const report = await collectGarbage(home, {
        keep: numberOf(settings, 'keep'),
        graceMs: parseDuration(settingOf(settings, 'grace'), 'grace'),
        cacheAgeMs: parseDuration(settingOf(settings, 'cache-age'), 'cache-age'),
        cacheBytes: size === '' ? undefined : parseBytes(size, 'cache-size'),
        now: new Date(),
        dryRun,
      });
      if (json) return printJson({ dryRun, ...report });
      for (const text of report.notes) note(text);
      print(describe(report, dryRun));
    });
}

function describe({ garbage, bytes, kept }: GcReport, dryRun: boolean): string {
  const bold = (cell: string, _column: number, row: number) =>
    row === -1 ? styled('bold', cell, process.stdout) : cell;
  const lines: string[] = [];
  if (garbage.length > 0) {
    const rows = garbage.map((one) => [one.kind, formatBytes(one.bytes), one.path, one.why]);
    lines.push(table([dryRun ? 'WOULD DROP' : 'DROPPED', 'SIZE', 'PATH', 'WHY'], rows, bold), '');
  }
  if (dryRun && kept.length > 0) {
    const rows = kept.map(({ bundle, why }) => [bundle, why]);
    lines.push(table(['STAYS', 'WHY'], rows, bold), '');
  }
  lines.push(`${dryRun ? 'would free' : 'freed'} ${formatBytes(bytes)}, ${kept.length} bundles stay`);
  return lines.join('\n');
}
