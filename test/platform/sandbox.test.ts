import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bubblewrap, bubblewrapFault, openAir } from '../../src/platform/sandbox.ts';

const fault = await bubblewrapFault();

let directory: string;
let box: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'kiln-box-')));
  box = join(directory, 'box');
  mkdirSync(box);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const shell = (script: string) => bubblewrap(box).run('sh', ['-c', script]);

describe.skipIf(fault !== undefined)(
  `a step in the sandbox${fault === undefined ? '' : ` (skipped: ${fault})`}`,
  () => {
    it('works at /build, wherever that is outside', async () => {
      const result = await shell('pwd; echo made >here');
      expect(result.tail).toEqual(['/build']);
      expect(existsSync(join(box, 'here'))).toBe(true);
      expect(bubblewrap(box).inside(join(box, 'linux/Makefile'))).toBe('/build/linux/Makefile');
    });

    it('has the shell that it is asked for as /bin/sh, and only there', async () => {
      const sandbox = bubblewrap(box, { sh: '/bin/bash' });
      const ask = (sh: string) => `${sh} -c '[ -z "$BASH_VERSION" ] || echo bash'`;
      const result = await sandbox.run('/bin/sh', ['-c', `${ask('/bin/sh')}; ${ask('/usr/bin/sh')}`]);
      const other = (await shell(ask('/usr/bin/sh'))).tail;
      expect([sandbox.sh, ...result.tail]).toEqual(['/bin/bash', 'bash', ...other]);
      expect(bubblewrap(box).sh).toBeUndefined();
      expect(bubblewrap(box, { sh: '/bin/no-such-shell' }).sh).toBeUndefined();
    });

    it('leaves nothing of its own in the directory', async () => {
      await shell('true');
      expect(readdirSync(box)).toEqual([]);
    });

    it('does not reach a server of this machine', async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((done) => server.once('listening', done));
      const address = server.address();
      const port = typeof address === 'object' ? address?.port : 0;
      const result = await bubblewrap(box).run('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`]);
      server.close();
      expect(result.exitCode).not.toBe(0);
      expect(result.tail.join('\n')).toMatch(/refused|unreachable/i);
    });

    it('sees neither accounts nor homes nor its surroundings', async () => {
      writeFileSync(join(directory, 'secret'), 'x');
      const result = await shell('cat /etc/passwd /etc/shadow ../secret; ls /home /root /var; env');
      const text = result.tail.join('\n');
      expect(text.match(/No such file/g)).toHaveLength(6);
      expect(text).not.toMatch(/^(USER|KILN_|npm_|XDG_)/m);
      expect(text).toContain('PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
    });

    it('writes nothing outside: not above, not in the system, not in the real /tmp', async () => {
      const before = readdirSync('/tmp').sort();
      const result = await shell(
        'echo x >../above; touch /usr/bin/kiln-was-here; echo x >/tmp/kiln-was-here; true',
      );
      expect(existsSync(join(directory, 'above'))).toBe(false);
      expect(existsSync('/usr/bin/kiln-was-here')).toBe(false);
      expect(before.includes('kiln-was-here')).toBe(false);
      expect(existsSync('/tmp/kiln-was-here')).toBe(false);
      expect(result.tail.join('\n')).toMatch(/Read-only file system/);
    });

    it('takes what it left in the background with it when it ends', async () => {
      await shell('(while :; do echo tick >>ticks; sleep 0.01; done) & while [ ! -s ticks ]; do :; done');
      // Whoever still ran would make it again.
      rmSync(join(box, 'ticks'));
      await shell('sleep 0.2');
      expect(existsSync(join(box, 'ticks'))).toBe(false);
    });

    it('that starts processes without end is stopped, and named', async () => {
      writeFileSync(join(box, 'bomb.sh'), 'sh ./bomb.sh & sh ./bomb.sh & wait\n');
      const bomb = bubblewrap(box).run('sh', ['./bomb.sh']);
      await expect(bomb).rejects.toMatchObject({
        kind: 'failed',
        message: expect.stringMatching(/started more than \d+ processes/),
      });
    });

    it('that starts them as fast as it can is stopped, by whoever is faster: Kiln or the kernel', async () => {
      // The shell ends at the first process that the kernel refuses it.
      const many = 'i=0; while [ $i -lt 5000 ]; do sleep 100 & i=$((i + 1)); done; wait';
      const output: string[] = [];
      const ran = bubblewrap(box).run('sh', ['-c', `(${many}) 2>&1`], {
        onLine: (line) => output.push(line),
      });
      const end = await ran.then(
        ({ exitCode }) => `exit ${exitCode}`,
        (error: Error) => error.message,
      );
      if (end === 'exit 2') expect(output.join('\n')).toMatch(/fork/i);
      else expect(end).toMatch(/started more than \d+ processes/);
    });

    it('is stopped by whoever started it', async () => {
      const stop = new AbortController();
      const result = await bubblewrap(box).run(
        'sh',
        ['-c', 'trap "" TERM; echo up; while :; do sleep 1; done'],
        {
          signal: stop.signal,
          onLine: () => stop.abort(),
        },
      );
      expect(result.aborted).toBe(true);
    });
  },
);

describe('without a sandbox', () => {
  it('a step runs where it is, and says of itself that it does', async () => {
    const open = openAir('off', box);
    expect(open.kind).toBe('off');
    expect((await open.run('pwd', [], { cwd: open.inside(box) })).tail).toEqual([box]);
  });
});
