import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import type { CompatPart } from '../src/kernel/compat/halves.ts';

/** A thread that applies the compatibility rules of a family, its name in `workerData`, to the files that it is sent. */

enableCompileCache(join(import.meta.dirname, '../node_modules/.compile-cache'));
const { rewriteFiles } = await import('../src/kernel/compat/apply.ts');
const { FAMILIES } = await import('../src/kernel/families.ts');

const family = FAMILIES.find(({ name }) => name === workerData);
if (family === undefined) throw new Error(`there is no family of kernels ${String(workerData)}`);
const { compatRules } = family;
parentPort?.on('message', ({ tree, files }: CompatPart) => {
  parentPort?.postMessage(rewriteFiles(tree, compatRules, files));
});
