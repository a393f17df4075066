import { join } from 'node:path';
import type { Command } from 'commander';
import { findBundle } from '../bundle/index.ts';
import { bootInStaging } from '../pipeline/gates.ts';
import { requireTools } from '../platform/hosttools.ts';
import { contextOf, wholeNumber } from './context.ts';
import { note, print, printJson, styled } from './output.ts';
import { stopSignal } from './signals.ts';

export function registerBoot(program: Command): void {
  const command = program
    .command('boot')
    .description('PXE-boot a bundle in QEMU over TFTP and print its console')
    .argument('<BUNDLE>', 'id or directory of a bundle')
    .option('--nic <MODEL>', "QEMU's model of the network card (default: the one that the bundle is for)")
    .option('--timeout <SECONDS>', 'give up after this time', wholeNumber)
    .option('--memory <MIB>', "the machine's memory", wholeNumber)
    .addHelpText('after', '\nExits with 1 when the console does not show what the recipe expects.')
    .action(async (reference: string, options: { nic?: string; timeout?: number; memory?: number }) => {
      const { home, json } = await contextOf(command);
      await requireTools(['gate']);
      const bundle = await findBundle(home, reference);
      const { recipe, variant, id } = bundle.manifest;
      const consoleLog = join(home.logs, recipe, variant, `${id}.console`);
      const lines: string[] = [];
      const verdict = await bootInStaging(
        bundle,
        {
          home,
          consoleLog,
          timeoutSeconds: options.timeout,
          memoryMiB: options.memory,
          signal: stopSignal(),
          onLine: (line) => {
            lines.push(line);
            if (!json) print(line);
          },
        },
        options.nic,
      );
      if (json) printJson({ bundle: id, verdict, console: lines });
      else if (verdict.status === 'failed') note(`${styled('red', 'failed:')} ${verdict.sentence}`);
      else if (verdict.status === 'passed') {
        note(
          `${styled('green', 'passed')} in ${verdict.seconds.toFixed(1)} s (${verdict.loader}, ${verdict.accelerator})`,
        );
      }
      note(`console: ${consoleLog}`);
      process.exitCode = verdict.status === 'passed' ? 0 : 1;
    });
}
