import { disk } from '../../src/platform/filesystem.ts';
import { homeAt } from '../../src/platform/home.ts';
import { type Operation, watched } from './faults.ts';
import { perform, scenarioNamed } from './scenarios.ts';

/**
 * A process that is killed at an operation of a scenario: `killed.ts HOME SCENARIO INDEX`. Of what it would have
 * written there it writes half.
 */
const [, , root = '', name = '', index = ''] = process.argv;
let count = 0;

async function writeHalf(operation: Operation): Promise<void> {
  if (operation.name !== 'append' && operation.name !== 'createFile') return;
  const [path, bytes] = operation.args as [string, Uint8Array];
  await disk.append(path, bytes.subarray(0, bytes.length / 2));
}

const dying = watched(disk, async (operation) => {
  if (count === Number(index)) {
    await writeHalf(operation);
    process.kill(process.pid, 'SIGKILL');
  }
  count += 1;
});
await perform(scenarioNamed(name), homeAt(root), dying);
