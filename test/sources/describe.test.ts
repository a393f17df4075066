import { expect, it } from 'vitest';
import { describeSourceEvent } from '../../src/sources/index.ts';

it.each([
  [
    { status: 'looking', from: 'https://a.example/x.gz' } as const,
    'kernel: looking at https://a.example/x.gz',
  ],
  [
    {
      status: 'retrying',
      url: 'https://a.example/x',
      reason: 'HTTP 503',
      attempt: 2,
      afterMs: 1500,
    } as const,
    'kernel: https://a.example/x: HTTP 503; try 2 in 1.5 s',
  ],
  [
    { status: 'verified', from: '/mirror/x.gz', size: 12, sha256: 'ab' } as const,
    'kernel: /mirror/x.gz is verified: 12 bytes, sha256 ab',
  ],
  [
    { status: 'waiting', url: 'https://a.example/x' } as const,
    'kernel: https://a.example/x is being fetched by somebody else',
  ],
])('what happens to a source is a line that a person reads: %j', (news, line) => {
  expect(describeSourceEvent({ type: 'source', source: 'kernel', ...news })).toBe(line);
});
