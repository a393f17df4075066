import { expect, test } from 'vitest';
import { tftpRequests } from '../../src/boot/capture.ts';

/** A capture file (pcap-savefile(5)) of these frames. */
function capture(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  const packets = frames.flatMap((frame) => {
    const packet = Buffer.alloc(16);
    packet.writeUInt32LE(frame.length, 8);
    packet.writeUInt32LE(frame.length, 12);
    return [packet, frame];
  });
  return Buffer.concat([header, ...packets]);
}

/** An Ethernet frame with a UDP datagram (RFC 791, RFC 768). */
function udp(port: number, payload: Buffer, options = 0): Buffer {
  const headers = Buffer.alloc(14 + 20 + options + 8);
  headers.writeUInt16BE(0x0800, 12);
  headers.writeUInt8(0x45 + options / 4, 14);
  headers.writeUInt8(17, 14 + 9);
  headers.writeUInt16BE(port, 14 + 20 + options + 2);
  return Buffer.concat([headers, payload]);
}

const read = (name: string) => Buffer.from(`\0\x01${name}\0octet\0blksize\0${1432}\0`, 'latin1');

test('names are given in the order asked for, each once', () => {
  const frames = ['boot.ipxe', 'bundles/x/vmlinuz', 'bundles/x/vmlinuz', 'bundles/x/initrd.gz'];
  expect(tftpRequests(capture(frames.map((name) => udp(69, read(name)))))).toEqual([
    'boot.ipxe',
    'bundles/x/vmlinuz',
    'bundles/x/initrd.gz',
  ]);
});

test('only read requests to the TFTP port count', () => {
  const acknowledge = Buffer.from([0, 4, 0, 1]);
  expect(
    tftpRequests(
      capture([udp(67, read('dhcp')), udp(69, acknowledge), Buffer.alloc(20), udp(69, read('a'), 4)]),
    ),
  ).toEqual(['a']);
});

test('a capture that ends in the middle of a packet is read as far as it goes', () => {
  const whole = capture([udp(69, read('a')), udp(69, read('b'))]);
  expect(tftpRequests(whole.subarray(0, whole.length - 30))).toEqual(['a']);
});

test('what is no capture holds no names', () => {
  expect(tftpRequests(Buffer.from('no pcap, but longer than its header'))).toEqual([]);
});
