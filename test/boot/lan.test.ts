import { describe, expect, test } from 'vitest';
import { bootBundle, findQemu } from '../../src/boot/index.ts';
import { lanUnavailable, type TftpServer } from '../../src/boot/lan.ts';
import { BOOT_FILE, discard, LIMIT_MS, processesNaming, saying, tftpRoot } from './fixture.ts';

const SERVERS: readonly TftpServer[] = ['dnsmasq', 'tftpd-hpa'];

/** What a server can't be tried for here; undefined when it can. */
const reasons = await Promise.all(
  SERVERS.map(async (tftp) => ({
    tftp,
    reason: (await findQemu()) === undefined ? 'no QEMU' : await lanUnavailable({ tftp }),
  })),
);

describe.each(reasons)('a node among real servers, TFTP by $tftp', ({ tftp, reason }) => {
  test.skipIf(reason !== undefined)(
    reason === undefined ? 'loads its boot file by the link of the channel' : `skipped: ${reason}`,
    async () => {
      const root = await tftpRoot({ 'boot.ipxe': saying('one') });
      try {
        const verdict = await bootBundle({
          tftpRoot: root,
          bootFile: BOOT_FILE,
          nic: 'rtl8139',
          lan: { tftp },
          expect: ['Next server: 10.99.0.1', 'one'],
          timeoutMs: LIMIT_MS,
          consoleLog: `${root}/log/console.log`,
        });
        expect(verdict).toMatchObject({ status: 'passed', loaded: [BOOT_FILE] });
        expect(await processesNaming(root)).toEqual([]);
      } finally {
        await discard(root);
      }
    },
  );
});
