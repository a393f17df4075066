import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kiln, sampleHome } from '../support/kiln.ts';
import { serveTftp } from '../support/tftp.ts';

const root = process.getuid?.() === 0;

describe.skipIf(!root)('a TFTP server on the home (needs root, for a network namespace)', () => {
  it('hands out the config through the channel, and what that names; after a flip, the other bundle', async () => {
    const home = await sampleHome();
    const id = (variant: string) =>
      readdirSync(join(home, 'bundles/sample', variant)).find((name) => !name.endsWith('.json')) ?? '';
    await kiln(['publish', id('ne2k'), '--channel', 'lts/node', '--home', home]);
    const server = await serveTftp(join(home, 'tftp'));
    try {
      const load = async () => {
        const config = (await server.get('lts/node/pxelinux.cfg')).toString();
        const kernel = /^\s*kernel\s+(?:::)?\/?(\S+)/im.exec(config)?.[1] ?? '';
        const initrd = /initrd(?:=|\s+)(?:::)?\/?(\S+)/i.exec(config)?.[1] ?? '';
        return { kernel, bytes: [await server.get(kernel), await server.get(initrd)] };
      };
      const stored = (variant: string) =>
        ['vmlinuz', 'initrd.gz'].map((name) =>
          readFileSync(join(home, 'bundles/sample', variant, id(variant), name)),
        );

      const before = await load();
      expect(before.kernel).toBe(`bundles/${id('ne2k')}/vmlinuz`);
      expect(before.bytes).toEqual(stored('ne2k'));

      await kiln(['publish', id('rtl8139'), '--channel', 'lts/node', '--home', home]);
      expect((await load()).bytes).toEqual(stored('rtl8139'));
      // A node that got the old config a moment ago still gets all of what that names.
      expect(await server.get(before.kernel)).toEqual(stored('ne2k')[0]);
      await expect(server.get('lts/node/manifest.json')).rejects.toThrow(/curl exited/);
    } finally {
      await server.stop();
    }
  });
});
