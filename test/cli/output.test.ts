import { expect, test, vi } from 'vitest';
import { reportError } from '../../src/cli/output.ts';

/** What was written to stdout and stderr by the report, and its exit code. */
function reported(error: unknown): { exit: number; document: unknown; words: string } {
  const written = (stream: NodeJS.WriteStream) => vi.spyOn(stream, 'write').mockReturnValue(true);
  const [out, err] = [written(process.stdout), written(process.stderr)];
  try {
    const exit = reportError(error, true);
    const [[document] = []] = out.mock.calls;
    return { exit, document: JSON.parse(String(document)), words: err.mock.calls.join('') };
  } finally {
    out.mockRestore();
    err.mockRestore();
  }
}

test('what the system refuses is no bug of Kiln’s', () => {
  const refused = Object.assign(new Error('ENAMETOOLONG: name too long, open x'), { code: 'ENAMETOOLONG' });
  expect(reported(refused)).toMatchObject({
    exit: 1,
    document: { error: { kind: 'failed', message: refused.message } },
    words: expect.not.stringContaining('bug'),
  });
});

test('a bug is a document for --json as well', () => {
  expect(reported(new TypeError('x is not a function'))).toMatchObject({
    exit: 1,
    document: { error: { kind: 'bug', message: 'TypeError: x is not a function' } },
    words: expect.stringContaining('kiln has a bug'),
  });
});
