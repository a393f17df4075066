import { expect, test } from 'vitest';
import {
  type ConsoleOutcome,
  ConsoleWatch,
  type ExpectedLine,
  initIsUp,
  renderLine,
} from '../../src/boot/console.ts';

/** What the watch decides after these lines. */
function outcome(
  expected: readonly ExpectedLine[],
  lines: readonly string[],
  forbid: readonly string[] = [],
) {
  const watch = new ConsoleWatch(expected, forbid);
  return lines.reduce<ConsoleOutcome | undefined>((decided, line) => decided ?? watch.read(line), undefined);
}

test.each([
  ['\x1b[0;1miPXE 1.0.0\x1b[0m -- Open Source', 'iPXE 1.0.0 -- Open Source'],
  ['\x1bc\x1b[?7l\x1b[2J\x1b[0mSeaBIOS', 'SeaBIOS'],
  ['\rLinux version 2.4.22', 'Linux version 2.4.22'],
  ['Press Ctrl-B...\r               \r', ''],
  ['wait...\b\b\b   \b\b\bnet0', 'waitnet0'],
  ['eth0: link up\r', 'eth0: link up'],
])('%j shows as %j', (raw, shown) => {
  expect(renderLine(raw)).toBe(shown);
});

test('all expected lines must be seen, in whatever order', () => {
  expect(outcome(['first', /sec.nd/], ['a second thing', 'nothing'])).toBeUndefined();
  expect(outcome(['first', /sec.nd/], ['a second thing', 'the first'])).toEqual({ status: 'complete' });
});

test('one line may fulfil two expectations', () => {
  expect(outcome(['2.4.22', '10.0.2.15'], ['up 2.4.22 10.0.2.15'])).toEqual({ status: 'complete' });
});

test.each([
  'Kernel panic: VFS: Unable to mount root fs on 01:00',
  'Unable to handle kernel NULL pointer dereference at virtual address 00000000',
  'Oops: 0000',
  'kernel BUG at slab.c:1130!',
])('%j is a panic', (line) => {
  expect(outcome(['never'], [line])).toMatchObject({ status: 'failed', reason: 'panic' });
});

test.each([
  'No more network devices',
  'No bootable device.',
  'Loading ::bundles/x/vmlinuz... failed: No such file or directory',
  'Kiln: could not boot bundles/x/vmlinuz: starting over in 10 seconds',
])('%j is the end of booting', (line) => {
  expect(outcome(['never'], [line])).toMatchObject({ status: 'failed', reason: 'unbootable' });
});

test('a forbidden line fails the boot, even one that is expected', () => {
  expect(outcome(['eth0'], ['eth0: transmit timed out'], ['timed out'])).toMatchObject({
    reason: 'forbidden',
  });
});

test('the init on another release is a mismatch that names both', () => {
  expect(outcome([initIsUp('2.4.22-a')], ['kiln: up 2.4.22-ab eth0 10.0.2.15'])).toEqual({
    status: 'failed',
    reason: 'mismatch',
    sentence:
      'the console says "kiln: up 2.4.22-ab eth0 10.0.2.15" instead of "kiln: up 2.4.22-a INTERFACE ADDRESS"',
  });
});

test('the init without an address is a mismatch', () => {
  expect(outcome([initIsUp('2.4.22')], ['kiln: down 2.4.22 no address'])).toMatchObject({
    reason: 'mismatch',
  });
});

test('a dot in a release stands for a dot only', () => {
  expect(outcome([initIsUp('2.4.22')], ['kiln: up 2x4.22 eth0 10.0.2.15'])).toMatchObject({
    reason: 'mismatch',
  });
});

test('the init up on an interface is what a node is expected to say', () => {
  const lines = ['kiln: release 2.4.22', 'kiln: eth1 - no address', 'kiln: up 2.4.22 eth0 10.0.2.15'];
  expect(outcome([initIsUp('2.4.22')], lines)).toEqual({ status: 'complete' });
});
