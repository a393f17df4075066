// Boots in a process of its own, which a test then kills: bootChild.ts <request as JSON>. Says `up` on the
// console's first line.
import { type BootRequest, bootBundle } from '../../src/boot/index.ts';

const request = JSON.parse(process.argv[2] ?? '') as BootRequest;
await bootBundle({ ...request, onLine: () => process.stdout.write('up\n') });
