import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, type TestContext, test, vi } from 'vitest';
import { type BootRequest, bootBundle, findQemu } from '../../src/boot/index.ts';
import { BOOT_FILE, discard, LIMIT_MS, processesNaming, saying, tftpRoot } from './fixture.ts';

const qemu = await findQemu();
const withQemu = qemu === undefined ? ' (skipped: no QEMU)' : '';

/** What tests that run at the same time must take from their own context. */
type Context = Pick<TestContext, 'onTestFinished'>;

/** A request to boot a node that runs this iPXE script; its TFTP root goes with the test. */
async function node(context: Context, script: string, more: Partial<BootRequest> = {}): Promise<BootRequest> {
  const root = await tftpRoot({ 'boot.ipxe': script });
  context.onTestFinished(() => discard(root));
  return {
    tftpRoot: root,
    bootFile: BOOT_FILE,
    nic: 'rtl8139',
    expect: ['never said'],
    timeoutMs: LIMIT_MS,
    consoleLog: join(root, 'log/console.log'),
    ...more,
  };
}

describe.skipIf(qemu === undefined).concurrent(`a node in QEMU${withQemu}`, () => {
  test('passes when its console has said all that is expected', async (context) => {
    const request = await node(context, saying('two', 'one'), { expect: ['one', /^two$/] });
    expect(await bootBundle(request)).toMatchObject({
      status: 'passed',
      matched: ['two', 'one'],
      accelerator: 'tcg',
      loader: 'pxe',
    });
  });

  test('reaches its boot file by the link of the channel, asking TFTP for the path of the channel', async (context) => {
    const request = await node(context, saying('one'), { expect: ['one'] });
    expect(await bootBundle(request)).toMatchObject({ status: 'passed', loaded: [BOOT_FILE] });
  });

  test('that panics fails, with the last words of the kernel', async (context) => {
    const panic = 'echo Kernel panic: Attempted to kill init!';
    // Behind a reboot the last letters stay in the serial port.
    const words = 'echo <0>Rebooting in 1 seconds\necho now';
    const script = `#!ipxe\n${panic}\nsleep 2\n${words}\nreboot\n`;
    // It ends by its reboot, however long that takes.
    const request = await node(context, script, { lastWordsMs: LIMIT_MS });
    expect(await bootBundle(request)).toMatchObject({
      status: 'failed',
      reason: 'panic',
      sentence: 'the kernel panicked: Kernel panic: Attempted to kill init!',
      tail: expect.arrayContaining(['<0>Rebooting in 1 seconds']),
    });
  });

  test('that says what is forbidden fails', async (context) => {
    const request = await node(context, saying('eth0: timed out'), { forbid: [/timed out/] });
    expect(await bootBundle(request)).toMatchObject({ status: 'failed', reason: 'forbidden' });
  });

  test('that runs another release fails at once', async (context) => {
    const expected = { line: 'kiln: up 2.4.22 ', instead: /^kiln: up / };
    const request = await node(context, saying('kiln: up 2.4.21 eth0 10.0.2.15'), { expect: [expected] });
    expect(await bootBundle(request)).toMatchObject({
      status: 'failed',
      reason: 'mismatch',
      sentence: 'the console says "kiln: up 2.4.21 eth0 10.0.2.15" instead of "kiln: up 2.4.22 "',
    });
  });

  test('that reboots fails, saying what it had not said', async (context) => {
    expect(await bootBundle(await node(context, '#!ipxe\nreboot\n'))).toMatchObject({
      status: 'failed',
      reason: 'exited',
      sentence: 'the node went off or rebooted before the console said "never said"',
    });
  });

  test('that hangs fails when its time is up', async (context) => {
    expect(await bootBundle(await node(context, saying('one'), { timeoutMs: 2000 }))).toMatchObject({
      status: 'failed',
      reason: 'timeout',
      sentence: 'after 2 s the console had not said "never said"',
    });
  });

  test('whose boot file is missing fails, with what its ROM said of it', async (context) => {
    const request = await node(context, saying('one'), { bootFile: 'lts/sample-rtl8139/missing.ipxe' });
    expect(await bootBundle(request)).toMatchObject({
      status: 'failed',
      reason: 'unbootable',
      // iPXE adds a dot for each second that it waited for the answer.
      tail: expect.arrayContaining([expect.stringMatching(/missing\.ipxe\.{3,} No such file/)]),
    });
  });

  test('leaves a log of what its console showed, and nothing else', async (context) => {
    const lines: string[] = [];
    const request = await node(context, saying('one'), {
      expect: ['one'],
      onLine: (line) => lines.push(line),
    });
    await bootBundle(request);
    const [command, ...logged] = (await readFile(request.consoleLog, 'utf8')).trimEnd().split('\n');
    expect(command).toContain('restrict=on');
    expect(logged).toEqual(lines);
    expect(logged.join('\n')).not.toMatch(/[\x00-\x09\x0b-\x1f]/);
    await expect(readFile(`${request.consoleLog}.pcap`)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('reaches no server of its host', async (context) => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests += 1;
      response.end('reached');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    context.onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const script = `#!ipxe\nimgfetch --timeout 3000 http://10.0.2.2:${port}/ && echo reached || echo shut off\n`;
    const verdict = await bootBundle(await node(context, script, { expect: [/^(reached|shut off)$/] }));
    expect(verdict).toMatchObject({ status: 'passed', matched: ['shut off'] });
    expect(requests).toBe(0);
  });

  test('ends when it is called off', async (context) => {
    const stop = new AbortController();
    const request = await node(context, saying('one'), {
      signal: stop.signal,
      onLine: () => stop.abort(new Error('called off')),
    });
    await expect(bootBundle(request)).rejects.toThrow('called off');
    expect(await processesNaming(request.tftpRoot)).toEqual([]);
  });

  test('does not outlive a Kiln that is killed', async (context) => {
    const request = await node(context, saying('one'));
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'bootChild.ts'), JSON.stringify(request)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    );
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const expectNone = async () => expect(await processesNaming(request.tftpRoot)).toEqual([]);
    // Not expect.poll, which is lost where another of these tests ends first.
    await vi.waitFor(expectNone, { timeout: 30_000 });
  });

  test('whose channel leads out of the TFTP root is not booted', async (context) => {
    const request = await node(context, saying('one'));
    const outside = await tftpRoot({ 'boot.ipxe': saying('one') });
    context.onTestFinished(() => discard(outside));
    await rm(join(request.tftpRoot, 'lts/sample-rtl8139'));
    await symlink(join(outside, 'bundles/one'), join(request.tftpRoot, 'lts/sample-rtl8139'));
    await expect(bootBundle(request)).rejects.toMatchObject({ kind: 'integrity' });
  });
});

test('a boot file that DHCP can not carry is a usage error', async (context) => {
  const request = await node(context, saying('one'), { bootFile: 'x'.repeat(128) });
  await expect(bootBundle(request)).rejects.toMatchObject({ kind: 'usage' });
});

test('a card that there is not is a usage error', async (context) => {
  const request = await node(context, saying('one'), { nic: '3c509' });
  await expect(bootBundle(request)).rejects.toMatchObject({ kind: 'usage' });
});

test('without QEMU a boot is skipped, saying so', async (context) => {
  const request = await node(context, saying('one'));
  const path = process.env.PATH ?? '';
  process.env.PATH = request.tftpRoot;
  context.onTestFinished(() => {
    process.env.PATH = path;
  });
  expect(await bootBundle(request)).toEqual({
    status: 'skipped',
    reason: 'QEMU is not installed (Debian: qemu-system-x86)',
  });
});
