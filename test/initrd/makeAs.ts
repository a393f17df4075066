// Makes an initrd in a process of its own, so that another user can: makeAs.ts <request as JSON>.
import { type InitrdRequest, makeInitrd } from '../../src/initrd/index.ts';

const made = await makeInitrd(JSON.parse(process.argv[2] ?? '') as InitrdRequest);
process.stdout.write(JSON.stringify(made));
