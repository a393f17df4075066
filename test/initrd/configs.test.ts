import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bootConfigs, parseBootScript } from '../../src/initrd/index.ts';
import { KilnError } from '../../src/platform/errors.ts';

const files = { kernel: 'vmlinuz', initrd: 'initrd.gz' };
const request = {
  id: '2.4.22-om2-0123abcd',
  files,
  cmdline: 'console=ttyS0 root=/dev/ram0 ip=dhcp',
  label: 'openmosix-2.4.22:rtl8139',
};

test('PXELINUX is told immutable paths from the TFTP root, and asks nothing', () => {
  expect(bootConfigs(request)['pxelinux.cfg']).toBe(`# openmosix-2.4.22:rtl8139, made by Kiln
DEFAULT kiln
PROMPT 0
TIMEOUT 100
ONTIMEOUT kiln
SAY Kiln: openmosix-2.4.22:rtl8139

LABEL kiln
  KERNEL ::bundles/2.4.22-om2-0123abcd/vmlinuz
  APPEND console=ttyS0 root=/dev/ram0 ip=dhcp initrd=::bundles/2.4.22-om2-0123abcd/initrd.gz
`);
});

test('iPXE is told immutable paths from the root of the server, and starts over when they fail', () => {
  expect(bootConfigs(request)['boot.ipxe']).toBe(`#!ipxe
# openmosix-2.4.22:rtl8139, made by Kiln
echo Kiln: openmosix-2.4.22:rtl8139
kernel /bundles/2.4.22-om2-0123abcd/vmlinuz console=ttyS0 root=/dev/ram0 ip=dhcp || goto failed
initrd /bundles/2.4.22-om2-0123abcd/initrd.gz || goto failed
boot || goto failed
:failed
echo Kiln: could not boot bundles/2.4.22-om2-0123abcd/vmlinuz: starting over in 10 seconds
sleep 10
reboot
`);
});

test('what was written for iPXE reads back as it was', () => {
  const word = fc.stringMatching(/^[a-z0-9=:,./_-]{1,12}$/);
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      const cmdline = words.join(' ');
      expect(parseBootScript(bootConfigs({ ...request, cmdline })['boot.ipxe'])).toEqual({
        kernel: 'bundles/2.4.22-om2-0123abcd/vmlinuz',
        initrd: 'bundles/2.4.22-om2-0123abcd/initrd.gz',
        cmdline,
      });
    }),
  );
});

test('a script of another make is not taken for one of ours', () => {
  expect(parseBootScript('#!ipxe\nkernel vmlinuz\nboot\n')).toBeUndefined();
});

test.each(['a || b', 'a && b', 'x="1"', "x='1'", 'a\\b', `\${net0/mac}`, '#x', 'a\nb', 'ä', ' a', 'a '])(
  'a command line that a loader would change is refused: %j',
  (cmdline) => {
    expect(() => bootConfigs({ ...request, cmdline })).toThrow(KilnError);
  },
);

test('a command line is as long as the kernel keeps, beside what PXELINUX puts before it', () => {
  const room = 255 - 'BOOT_IMAGE=::bundles/2.4.22-om2-0123abcd/vmlinuz '.length;
  const configs = bootConfigs({ ...request, cmdline: 'x'.repeat(room) });
  expect(configs['pxelinux.cfg']).toContain('x'.repeat(room));
  expect(() => bootConfigs({ ...request, cmdline: 'x'.repeat(room + 1) })).toThrow(
    expect.objectContaining({ kind: 'invalid' }),
  );
});
