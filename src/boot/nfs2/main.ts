import { serveNfs2 } from './server.ts';

/*
 * node main.ts ADDRESS DIRECTORY: serves a directory by NFS 2 on the ports of its own, and says `serving` when it
 * does. lan.sh starts it in the network of a node.
 */
const [address = '', root = ''] = process.argv.slice(2);
await serveNfs2(address, root, { portmap: 111, nfs: 2049 });
console.log(`serving ${root}`);
