import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lineSplitter, output, run } from '../../src/platform/process.ts';
import { freshDirectory, processesWith } from '../support/kiln.ts';

describe('a program that Kiln runs', () => {
  it('gets nothing of the environment but what it is given', async () => {
    process.env.KILN_SECRET = 'x';
    const seen = await output('env', []);
    delete process.env.KILN_SECRET;
    expect(seen).toContain('LC_ALL=C');
    expect(seen).not.toContain('KILN_SECRET');
  });

  it('is judged by the caller: an exit code or a signal is a result, not an error', async () => {
    expect(await run('sh', ['-c', 'echo out; echo err >&2; exit 3'])).toMatchObject({
      exitCode: 3,
      signal: undefined,
    });
    expect(await run('sh', ['-c', 'kill -9 $$'])).toMatchObject({ exitCode: undefined, signal: 'SIGKILL' });
  });

  it('that is not installed is named', async () => {
    await expect(run('no-such-program', [])).rejects.toMatchObject({
      kind: 'tool',
      message: expect.stringContaining('no-such-program'),
    });
  });

  it('takes its children along when it is stopped, even those that ignore SIGTERM', async () => {
    const mark = freshDirectory('mark');
    const stop = new AbortController();
    const running = run(
      'sh',
      ['-c', `trap '' TERM; sh -c "trap '' TERM; echo up; while :; do sleep 1; done" ${mark} & wait`],
      {
        signal: stop.signal,
        graceMs: 100,
        onLine: () => stop.abort(new Error('enough')),
      },
    );
    expect(await running).toMatchObject({ aborted: true, signal: 'SIGKILL' });
    expect(processesWith(mark)).toEqual([]);
  });

  it('ends when Kiln is killed with -9, with all that it started', async () => {
    const mark = freshDirectory('orphans');
    const module = join(import.meta.dirname, '../../src/platform/process.ts');
    const script = `const { run } = await import(${JSON.stringify(module)});
      await run('sh', ['-c', 'sh -c "echo up; sleep 300; true" ${mark} & sleep 300; true', ${JSON.stringify(mark)}], {
        onLine: () => process.kill(process.pid, 'SIGKILL'),
      });`;
    const kiln = await run(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      script,
    ]);
    expect(kiln.signal).toBe('SIGKILL');
    await expect.poll(() => processesWith(mark), { timeout: 120_000 }).toEqual([]);
  });

  it('is stopped when its time is up', async () => {
    expect(await run('sleep', ['60'], { timeoutMs: 50 })).toMatchObject({ timedOut: true });
  });

  it('writes both streams to the log, and its last lines are kept', async () => {
    const log = join(freshDirectory('log'), 'log');
    const lines: string[] = [];
    const result = await run('sh', ['-c', 'for i in $(seq 500); do echo $i; done; echo last >&2'], {
      log,
      onLine: (line) => lines.push(line),
    });
    expect(lines).toHaveLength(501);
    expect(result.tail).toHaveLength(200);
    expect(readFileSync(log, 'utf8').split('\n')).toHaveLength(502);
  });
});

describe('lines', () => {
  it('are the same however the bytes were cut, characters included', () => {
    const bytes = Buffer.from('één\r\ntwo\nüü');
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const lines: string[] = [];
      const splitter = lineSplitter((line) => lines.push(line));
      splitter.push(bytes.subarray(0, cut));
      splitter.push(bytes.subarray(cut));
      splitter.end();
      expect(lines).toEqual(['één', 'two', 'üü']);
    }
  });

  it('without an end are cut, so that memory stays bounded', () => {
    const lines: string[] = [];
    const splitter = lineSplitter((line) => lines.push(line));
    for (let chunk = 0; chunk < 100; chunk += 1) splitter.push(Buffer.alloc(10_000, 'x'));
    splitter.end();
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.join('')).toHaveLength(1_000_000);
  });
});
