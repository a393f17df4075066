import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { freshDirectory, kiln, startKiln } from '../support/kiln.ts';

interface Line {
  readonly at: string;
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly url?: string;
}

it('kiln serve ends when its record is deleted: nobody would hear of what is queued from then on', async () => {
  const home = freshDirectory('home');
  const child = startKiln(['serve', '--listen', '127.0.0.1:0', '--no-watch', '--home', home]);
  if (child.stderr === null) throw new Error('no stderr');
  const exit = once(child, 'exit');
  const said: string[] = [];
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    if (line.startsWith('serving ')) {
      for (const end of ['', '-wal', '-shm']) rmSync(join(home, `state.db${end}`), { force: true });
    }
  }
  expect(await exit).toEqual([1, null]);
  expect(said.join('\n')).toMatch(/record was deleted or replaced[\s\S]*start it again/);
});

describe('kiln serve --progress json', () => {
  it('says what it does in a document a line: where it serves, who asked for a change, that it stops', async () => {
    const home = freshDirectory('home');
    const added = await kiln(['token', 'add', '--role', 'builder', '--name', 'alice', '--home', home]);
    const args = ['serve', '--listen', '127.0.0.1:0', '--no-watch', '--progress', 'json', '--home', home];
    const child = startKiln(args);
    if (child.stderr === null) throw new Error('no stderr');
    const lines: Line[] = [];
    const exit = once(child, 'exit');
    for await (const text of createInterface({ input: child.stderr })) {
      const line = JSON.parse(text) as Line;
      lines.push(line);
      if (line.event === 'serving') {
        await fetch(`${line.url}/api/v1/queue/pause`, {
          method: 'POST',
          headers: { authorization: `Bearer ${added.stdout.trim()}` },
        });
      }
      if (line.event === 'request') child.kill('SIGTERM');
    }
    await exit;
    expect(lines).toMatchObject([
      { level: 'info', event: 'serving', at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) },
      { event: 'request', method: 'POST', path: '/api/v1/queue/pause', status: 200, by: 'alice' },
      { event: 'stopping', running: 0 },
    ]);
  });
});
