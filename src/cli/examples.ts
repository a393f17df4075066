import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { makeExamples, networkOf, ownNetwork } from '../server/examples.ts';
import { contextOf, wholeNumber } from './context.ts';
import { print, printJson, styled } from './output.ts';

export function registerExamples(program: Command): void {
  const command = program
    .command('examples')
    .description('print configuration files of other programs for this home: systemd, proxies, DHCP and TFTP')
    .option('--dir <DIR>', 'write them into a directory instead')
    .option(
      '--network <ADDRESS/PREFIX>',
      "the server's address in the network of its nodes (default: this machine's first)",
      networkOf,
    )
    .option('--port <N>', 'where kiln serve listens', wholeNumber, 8420)
    .addHelpText(
      'after',
      `
Examples:
  kiln examples --dir /tmp/kiln-examples --network 192.168.0.254/24
  kiln examples | less

kiln-serve.service and kiln-worker.service for systemd, nginx.conf and Caddyfile for TLS, dnsmasq.conf, tftpd-hpa and
dhcpd.conf for nodes. The first line of each says where it belongs. Read them before you use them: addresses of nodes,
certificates and names are yours to fill in.`,
    )
    .action(async (options: { dir?: string; network?: ReturnType<typeof networkOf>; port: number }) => {
      const { home, json } = await contextOf(command);
      const examples = await makeExamples(home, options.network ?? ownNetwork(), options.port);
      if (options.dir !== undefined) {
        await mkdir(options.dir, { recursive: true });
        for (const { name, text } of examples) await writeFile(join(options.dir, name), text);
        const files = examples.map(({ name }) => resolve(options.dir ?? '', name));
        if (json) printJson({ files });
        else print(files.join('\n'));
      } else if (json) printJson({ examples });
      else {
        for (const { name, text } of examples) {
          print(`${styled('bold', `==> ${name} <==`, process.stdout)}\n${text}`);
        }
      }
    });
}
