import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ServedFiles } from '../../src/boot/nfs2/files.ts';
import { mountProgram, nfsProgram, portmapProgram } from '../../src/boot/nfs2/programs.ts';
import { answerCall } from '../../src/boot/nfs2/rpc.ts';
import { type Nfs2Server, serveNfs2 } from '../../src/boot/nfs2/server.ts';
import { opaque, words, XdrReader } from '../../src/boot/nfs2/xdr.ts';
import { freshDirectory } from '../support/kiln.ts';

const PORTMAP = 100000;
const NFS = 100003;
const MOUNT = 100005;
const FILE = 1;
const DIRECTORY = 2;
const LINK = 5;

let root = '';
let server: Nfs2Server;
let socket: Socket;

beforeEach(async () => {
  root = freshDirectory('nfs2');
  mkdirSync(join(root, 'sbin'));
  writeFileSync(join(root, 'sbin/init'), 'i'.repeat(10_000), { mode: 0o755 });
  symlinkSync('sbin/init', join(root, 'linuxrc'));
  server = await serveNfs2('127.0.0.1', root, { portmap: 0, nfs: 0 });
  socket = createSocket('udp4');
});

afterEach(async () => {
  socket.close();
  await server.close();
  rmSync(root, { recursive: true, force: true });
});

function callBytes(program: number, version: number, procedure: number, args: Buffer): Buffer {
  return Buffer.concat([words(7, 0, 2, program, version, procedure, 0, 0, 0, 0), args]);
}

/** Calls over UDP as a client does; what follows accept_stat, which is given too. */
async function call(program: number, version: number, procedure: number, args: Buffer = Buffer.alloc(0)) {
  const port = program === PORTMAP ? server.ports.portmap : server.ports.nfs;
  socket.send(callBytes(program, version, procedure, args), port, '127.0.0.1');
  const [bytes] = (await once(socket, 'message')) as [Buffer];
  const answer = new XdrReader(bytes);
  expect([answer.number(), answer.number(), answer.number()]).toEqual([7, 1, 0]);
  answer.fixed(8);
  return { accepted: answer.number(), results: answer };
}

/** The file handle of a path, asked for name by name. */
async function handleOf(...names: readonly string[]): Promise<Buffer> {
  const { results } = await call(MOUNT, 1, 1, opaque(Buffer.from(root)));
  expect(results.number()).toBe(0);
  let handle: Buffer = Buffer.from(results.fixed(32));
  for (const name of names) {
    const found = await lookUp(handle, name);
    expect(found.status).toBe(0);
    handle = found.handle;
  }
  return handle;
}

async function lookUp(directory: Buffer, name: string) {
  const { results } = await call(NFS, 2, 4, Buffer.concat([directory, opaque(Buffer.from(name))]));
  const status = results.number();
  if (status !== 0) return { status, handle: Buffer.alloc(32), type: 0, mode: 0 };
  const handle = Buffer.from(results.fixed(32));
  return { status, handle, type: results.number(), mode: results.number() };
}

describe('the server for NFS 2', () => {
  test('tells the ports of its programs, and only of those', async () => {
    const ask = async (program: number, version: number, protocol: number) =>
      (await call(PORTMAP, 2, 3, words(program, version, protocol, 0))).results.number();
    expect(await ask(NFS, 2, 17)).toBe(server.ports.nfs);
    expect(await ask(MOUNT, 1, 17)).toBe(server.ports.nfs);
    expect(await ask(NFS, 3, 17)).toBe(0);
    expect(await ask(NFS, 2, 6)).toBe(0);
  });

  test('lets its own root be mounted, and nothing else', async () => {
    const { results } = await call(MOUNT, 1, 1, opaque(Buffer.from('/etc')));
    expect(results.number()).toBe(2);
    expect(await handleOf()).toHaveLength(32);
  });

  test('finds files, directories and symlinks, which are for the client to follow', async () => {
    const top = await handleOf();
    expect(await lookUp(top, 'sbin')).toMatchObject({ status: 0, type: DIRECTORY });
    const link = await lookUp(top, 'linuxrc');
    expect(link).toMatchObject({ status: 0, type: LINK });
    const { results } = await call(NFS, 2, 5, link.handle);
    expect([results.number(), results.opaque(1024).toString()]).toEqual([0, 'sbin/init']);
    const init = await lookUp(await handleOf('sbin'), 'init');
    expect(init).toMatchObject({ status: 0, type: FILE, mode: 0o100755 });
    expect(await lookUp(top, 'missing')).toMatchObject({ status: 2 });
    expect(await lookUp(init.handle, 'x')).toMatchObject({ status: 20 });
  });

  test('has nothing above its root', async () => {
    const top = await handleOf();
    expect((await lookUp(top, '..')).handle).toEqual(top);
    expect(await lookUp(top, '../etc')).toMatchObject({ status: 2 });
    expect(await lookUp(top, 'linuxrc/../../etc')).toMatchObject({ status: 2 });
  });

  test('reads up to 8 KiB at a time, and nothing behind the end', async () => {
    const init = await handleOf('sbin', 'init');
    const read = async (offset: number) => {
      const { results } = await call(NFS, 2, 6, Buffer.concat([init, words(offset, 9000, 0)]));
      expect(results.number()).toBe(0);
      results.fixed(4 * 17);
      return results.opaque(8192).toString();
    };
    expect(await read(0)).toBe('i'.repeat(8192));
    expect(await read(8192)).toBe('i'.repeat(10_000 - 8192));
    expect(await read(20_000)).toBe('');
  });

  test('lists a directory piece by piece', async () => {
    for (let index = 0; index < 30; index += 1) writeFileSync(join(root, `sbin/program-${index}`), '');
    const sbin = await handleOf('sbin');
    const names: string[] = [];
    let ended = false;
    for (let cookie = 0; !ended; ) {
      const { results } = await call(NFS, 2, 16, Buffer.concat([sbin, words(cookie, 256)]));
      expect(results.number()).toBe(0);
      while (results.number() === 1) {
        results.number();
        names.push(results.opaque(255).toString());
        cookie = results.number();
      }
      ended = results.number() === 1;
    }
    expect(names).toHaveLength(33);
    expect(new Set(names)).toContain('program-29');
    expect(names.slice(0, 3)).toEqual(['.', '..', 'init']);
  });

  test.each([2, 8, 9, 10, 14])('refuses procedure %i, which would write', async (procedure) => {
    const { results } = await call(NFS, 2, procedure, Buffer.concat([await handleOf(), words(0, 0, 0)]));
    expect(results.number()).toBe(30);
  });

  test('calls a handle that it never gave stale, and a call that is cut short garbage', async () => {
    expect((await call(NFS, 2, 1, Buffer.alloc(32, 9))).results.number()).toBe(70);
    expect((await call(NFS, 2, 1, Buffer.alloc(8))).accepted).toBe(4);
  });

  test('names the version it has to who asks for another', async () => {
    const { accepted, results } = await call(NFS, 3, 0);
    expect([accepted, results.number(), results.number()]).toEqual([2, 2, 2]);
    expect((await call(100021, 1, 0)).accepted).toBe(1);
    expect((await call(NFS, 2, 99)).accepted).toBe(3);
  });

  test('answers any bytes or lets them be, and never ends for them', () => {
    const files = new ServedFiles(root);
    const programs = [mountProgram(files), nfsProgram(files)];
    const all = [...programs, portmapProgram(programs, 1)];
    const argument = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes));
    const known = fc.constantFrom(...all);
    fc.assert(
      fc.property(known, fc.nat(20), argument, fc.boolean(), (program, procedure, bytes, isOurs) => {
        const args = isOurs ? Buffer.concat([files.handleOf(''), bytes]) : bytes;
        answerCall(callBytes(program.program, program.version, procedure, args), all);
        answerCall(bytes, all);
      }),
    );
  });
});
