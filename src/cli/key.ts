import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import {
  formatPublicKey,
  keyName,
  parsePublicKey,
  publicKeyLine,
  publicKeyPath,
  signingKey,
  trustedDirectory,
  trustedKeys,
} from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny, writeFileAtomic } from '../platform/files.ts';
import { contextOf } from './context.ts';
import { print, printJson } from './output.ts';

export function registerKey(program: Command): void {
  const key = program
    .command('key')
    .description('show the public key that bundles of this home are signed with, in the format of minisign')
    .option('--export <FILE>', 'write it to a file for others')
    .addHelpText(
      'after',
      `
Examples:
  kiln key                                      the key, and the ids of those trusted besides
  kiln key --export kiln.pub
  kiln key trust colleague.pub                  count a colleague's signatures
  minisign -V -p kiln.pub -m SHA256SUMS         check a bundle without Kiln (in its directory)

The key is made at its first use, in keys/ of the home; kiln.key there is readable by its owner alone.`,
    )
    .action(async (options: { export?: string }) => {
      const { home, json } = await contextOf(key);
      const own = (await signingKey(home)).public;
      if (options.export !== undefined) await writeFile(options.export, formatPublicKey(own));
      const others = (await trustedKeys(home)).map(({ id }) => keyName(id)).slice(1);
      const file = publicKeyPath(home);
      if (json) return printJson({ id: keyName(own.id), key: publicKeyLine(own), file, trusted: others });
      print(`${formatPublicKey(own)}${others.map((id) => `trusted besides: ${id}\n`).join('')}`);
    });

  const trust = key
    .command('trust')
    .description("count another Kiln's signatures as good: a file, or the line that kiln key prints there")
    .argument('<FILE|KEY>', 'a public key of minisign')
    .action(async (given: string) => {
      const { home, json } = await contextOf(trust);
      const text = (await readTextIfAny(given)) ?? given;
      const other = parsePublicKey(text);
      if (other === undefined) {
        throw new KilnError('usage', `${given} is no public key of minisign`, {
          hint: 'kiln key --export FILE writes one, and so does minisign -G',
        });
      }
      const file = join(trustedDirectory(home), `${keyName(other.id)}.pub`);
      await writeFileAtomic(file, formatPublicKey(other));
      if (json) return printJson({ id: keyName(other.id), file });
      print(`bundles signed by ${keyName(other.id)} count as signed now`);
    });
}
