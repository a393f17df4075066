import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/**
 * Applies a patch and kills itself, as kill -9 would, in front of the Nth call that changes the disk:
 * killed.ts TREE PATCH N. Exits 0 when there were fewer.
 */
const [tree = '', patch = '', count = ''] = process.argv.slice(2);
let left = Number(count);

function deadly<Args extends unknown[], Result>(call: (...args: Args) => Result): (...args: Args) => Result {
  return (...args) => {
    if (--left === 0) process.kill(process.pid, 'SIGKILL');
    return call(...args);
  };
}

const bytes = fs.readFileSync(patch);
fs.writeSync = deadly(fs.writeSync) as typeof fs.writeSync;
fs.writevSync = deadly(fs.writevSync) as typeof fs.writevSync;
fs.renameSync = deadly(fs.renameSync);
fs.unlinkSync = deadly(fs.unlinkSync);
fs.mkdirSync = deadly(fs.mkdirSync) as typeof fs.mkdirSync;
fs.rmdirSync = deadly(fs.rmdirSync);
promises.rename = deadly(promises.rename);
promises.unlink = deadly(promises.unlink);
promises.mkdir = deadly(promises.mkdir) as typeof promises.mkdir;
promises.rm = deadly(promises.rm);
syncBuiltinESMExports();
const { applySeries } = await import('../../src/patches/index.ts');
await applySeries(tree, [{ name: 'killed.patch', bytes, strip: 1 }], { durable: true });
