import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { formatEntries } from '../../src/publish/journal.ts';
import { networkOf } from '../../src/server/examples.ts';
import { CHECKOUT, freshDirectory, kiln } from '../support/kiln.ts';

const directory = freshDirectory('examples');
const home = freshDirectory('home');

/** A channel that has a history, as far as examples look at it. */
function addChannel(name: string): void {
  mkdirSync(join(home, 'channels', name), { recursive: true });
  const journal = formatEntries([{ type: 'channel', format: 'kiln-journal/1', name }]);
  writeFileSync(join(home, 'channels', name, 'journal'), journal);
}

const read = (name: string) => readFileSync(join(directory, name), 'utf8');

/** A server's own check of its configuration, on its standard output and error. */
function check(command: string, ...args: string[]): string {
  try {
    return execFileSync('sh', ['-c', 'exec "$0" "$@" 2>&1', command, ...args], { encoding: 'utf8' });
  } catch (error) {
    throw new Error(`${command}: ${(error as { stdout?: string }).stdout}`);
  }
}

function there(command: string): boolean {
  return ['/usr/bin', '/usr/sbin', '/bin'].some((place) => existsSync(join(place, command)));
}

beforeAll(async () => {
  addChannel('lts/stable');
  addChannel('lts/testing');
  const args = ['--dir', directory, '--network', '192.168.0.254/24', '--home', home];
  const ran = await kiln(['examples', ...args]);
  expect(ran.code, ran.stderr).toBe(0);
});

describe('kiln examples', () => {
  it('names this home, this checkout and the channels that there are', () => {
    expect(read('kiln-serve.service')).toContain(`ExecStart=${CHECKOUT}/kiln serve --home ${home} `);
    expect(read('tftpd-hpa')).toContain(`TFTP_DIRECTORY="${home}/tftp"`);
    expect(read('dnsmasq.conf')).toContain(`tftp-root=${home}/tftp\ndhcp-range=192.168.0.128,192.168.0.253,`);
    expect(read('dhcpd.conf')).toContain('filename "/lts/testing/boot.ipxe"');
  });

  it('names for iPXE the channel that kiln pxelinux has chosen, not the first by name', async () => {
    const ipxe = () => /^dhcp-boot=tag:ipxe,.*$/m.exec(read('dnsmasq.conf'))?.[0];
    expect(ipxe()).toBe('dhcp-boot=tag:ipxe,lts/stable/boot.ipxe');
    mkdirSync(join(home, 'tftp/pxelinux.cfg'), { recursive: true });
    symlinkSync('../lts/testing/pxelinux.cfg', join(home, 'tftp/pxelinux.cfg/default'));
    const ran = await kiln(['examples', '--dir', directory, '--home', home]);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ipxe()).toBe('dhcp-boot=tag:ipxe,lts/testing/boot.ipxe');
  });

  it('leaves nothing to be filled in but what is said to be', async () => {
    const { stdout } = await kiln(['examples', '--json', '--home', home]);
    const { examples } = JSON.parse(stdout) as { examples: { name: string; text: string }[] };
    expect(examples.map(({ name }) => name)).toEqual([
      'Caddyfile',
      'dhcpd.conf',
      'dnsmasq.conf',
      'kiln-serve.service',
      'kiln-worker.service',
      'nginx.conf',
      'tftpd-hpa',
    ]);
    for (const { text } of examples) expect(text).not.toMatch(/\{\{|\}\}/);
  });

  it('refuses a network without room for nodes', async () => {
    const ran = await kiln(['examples', '--network', '192.168.0.1/31']);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('192.168.0.254/24');
  });
});

describe('each example is taken by the program that it is for', () => {
  it.skipIf(!there('dnsmasq'))('dnsmasq', () => {
    expect(check('dnsmasq', '--test', `--conf-file=${join(directory, 'dnsmasq.conf')}`)).toContain(
      'syntax check OK',
    );
  });

  it.skipIf(!there('dhcpd'))('dhcpd', () => {
    check('dhcpd', '-t', '-cf', join(directory, 'dhcpd.conf'));
  });

  it.skipIf(!there('nginx'))('nginx', () => {
    const key = [
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      join(directory, 'key'),
      '-out',
      join(directory, 'pem'),
    ];
    check('openssl', 'req', '-x509', '-subj', '/CN=kiln.example.org', ...key);
    const site = read('nginx.conf')
      .replace(/ssl_certificate .*;/, `ssl_certificate ${directory}/pem;`)
      .replace(/ssl_certificate_key .*;/, `ssl_certificate_key ${directory}/key;`);
    const whole = join(directory, 'whole.conf');
    writeFileSync(whole, `pid ${directory}/pid;\nerror_log stderr;\nevents {}\nhttp {\n${site}\n}\n`);
    expect(check('nginx', '-t', '-c', whole)).toContain('test is successful');
  });

  it.skipIf(!there('systemd-analyze'))('systemd', () => {
    for (const unit of ['kiln-serve.service', 'kiln-worker.service']) {
      expect(check('systemd-analyze', 'verify', '--recursive-errors=no', join(directory, unit))).toBe('');
    }
  });
});

describe('the network of the nodes', () => {
  it('is counted from the address of the server', () => {
    expect(networkOf('10.1.2.3/16')).toEqual({
      address: '10.1.2.3',
      netmask: '255.255.0.0',
      network: '10.1.0.0',
      broadcast: '10.1.255.255',
      first: '10.1.128.0',
      last: '10.1.255.253',
    });
  });
});
