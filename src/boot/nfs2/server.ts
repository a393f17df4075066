import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { ServedFiles } from './files.ts';
import { mountProgram, nfsProgram, portmapProgram } from './programs.ts';
import { answerCall, type Program } from './rpc.ts';

/** 0: any that is free. */
export interface Nfs2Ports {
  readonly portmap: number;
  readonly nfs: number;
}

export interface Nfs2Server {
  readonly ports: Nfs2Ports;
  close(): Promise<void>;
}

/**
 * Serves a directory by NFS 2 over UDP, to be read only, with the portmapper and the mount daemon that clients ask first.
 * For the boot gate of Linux 2.2, which knows no other version: no server of Debian 12 speaks it any more.
 * @param root absolute path, by which clients mount it
 */
export async function serveNfs2(address: string, root: string, ports: Nfs2Ports): Promise<Nfs2Server> {
  const files = new ServedFiles(root);
  const programs = [mountProgram(files), nfsProgram(files)];
  const nfs = await listen(address, ports.nfs, programs);
  const portmap = await listen(address, ports.portmap, [portmapProgram(programs, nfs.address().port)]);
  return {
    ports: { portmap: portmap.address().port, nfs: nfs.address().port },
    async close() {
      for (const socket of [portmap, nfs]) {
        socket.close();
        await once(socket, 'close');
      }
    },
  };
}

async function listen(address: string, port: number, programs: readonly Program[]): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (datagram, from) => {
    const answer = answerCall(datagram, programs);
    // Nobody waits for it: a client asks again for what got lost.
    if (answer !== undefined) socket.send(answer, from.port, from.address);
  });
  socket.bind(port, address);
  await once(socket, 'listening');
  return socket;
}
