import { join } from 'node:path';
import { type Command, Option } from 'commander';
import type { BootVerdict } from '../boot/index.ts';
import { assertFiles, findBundle } from '../bundle/index.ts';
import { cardsOf } from '../pipeline/gates.ts';
import { type BootChoices, bootInStaging } from '../pipeline/staging.ts';
import { uniqueStamp } from '../platform/clock.ts';
import { requireTools } from '../platform/hosttools.ts';
import { contextOf, wholeNumber } from './context.ts';
import { note, print, printJson, styled } from './output.ts';
import { stopSignal } from './signals.ts';

interface BootOptions extends BootChoices {
  readonly timeout?: number;
  readonly memory?: number;
}

/** How it went on one card. */
interface Boot {
  readonly nic: string;
  readonly verdict: BootVerdict;
  readonly console: readonly string[];
}

const HELP = `
Examples:
  kiln boot 2.4.22-8345e65d0b                          on each card that it is for, as the gate of a build does
  kiln boot 2.4.22-8345e65d0b --nic tulip              on another one
  kiln boot 2.4.22-8345e65d0b --loader pxelinux --tftp tftpd-hpa
  kiln boot 2.4.22-8345e65d0b --root nfs               DHCP, TFTP and the root by NFS from real servers

Real servers run in namespaces of their own, which takes root or a kernel that lets users make them. What this
machine can't show is said, and exits with 1, as does a console that does not show what the recipe expects.`;

export function registerBoot(program: Command): void {
  const command = program
    .command('boot')
    .description('PXE-boot a bundle in QEMU over TFTP and print its console')
    .argument('<BUNDLE>', 'id or directory of a bundle')
    .option('--nic <MODEL>', "QEMU's model of the network card (default: each that the bundle is for)")
    .addOption(
      new Option('--loader <LOADER>', 'what the ROM loads (default: ipxe)').choices(['ipxe', 'pxelinux']),
    )
    .addOption(
      new Option('--tftp <SERVER>', "a real TFTP server, and DHCP by dnsmasq (default: QEMU's own)").choices([
        'dnsmasq',
        'tftpd-hpa',
      ]),
    )
    .addOption(
      new Option('--root <ROOT>', 'the initrd alone, or a root by NFS (default: ram)').choices([
        'ram',
        'nfs',
      ]),
    )
    .option('--append <WORDS>', "words for the end of the kernel's command line")
    .option('--timeout <SECONDS>', 'give up after this time', wholeNumber)
    .option('--memory <MIB>', "the machine's memory", wholeNumber)
    .addHelpText('after', HELP)
    .action(async (reference: string, { timeout, memory, ...choices }: BootOptions) => {
      const { home, json } = await contextOf(command);
      await requireTools(['gate']);
      const bundle = await findBundle(home, reference);
      const { recipe, variant, id } = bundle.manifest;
      // What the node says of other bytes is said of no bundle.
      await assertFiles(bundle.directory, bundle.manifest);
      const cards = choices.nic === undefined ? cardsOf(bundle.manifest) : [choices.nic];
      const signal = stopSignal();
      const boots: Boot[] = [];
      for (const nic of cards) {
        if (cards.length > 1 && !json) note(styled('bold', nic));
        // Of two boots of a bundle at the same time each has its own console.
        const consoleLog = join(home.logs, recipe, variant, `${uniqueStamp()}.${nic}.console`);
        const lines: string[] = [];
        const onLine = (line: string) => {
          lines.push(line);
          if (!json) print(line);
        };
        const options = { home, consoleLog, timeoutSeconds: timeout, memoryMiB: memory, signal, onLine };
        const verdict = await bootInStaging(bundle, options, { ...choices, nic });
        boots.push({ nic, verdict, console: lines });
        if (!json) say(verdict, consoleLog);
      }
      // What the exit code speaks of.
      const decisive = boots.find(({ verdict }) => verdict.status !== 'passed') ?? boots.at(-1);
      if (json)
        printJson({ bundle: id, verdict: decisive?.verdict, console: decisive?.console, cards: boots });
      process.exitCode = decisive?.verdict.status === 'passed' ? 0 : 1;
    });
}

function say(verdict: BootVerdict, consoleLog: string): void {
  if (verdict.status === 'failed') note(`${styled('red', 'failed:')} ${verdict.sentence}`);
  else if (verdict.status === 'skipped') note(`${styled('yellow', 'not shown:')} ${verdict.reason}`);
  else {
    const how = `${verdict.loader}, ${verdict.accelerator}`;
    note(`${styled('green', 'passed')} in ${verdict.seconds.toFixed(1)} s (${how})`);
  }
  if (verdict.status !== 'skipped') note(`console: ${consoleLog}`);
}
