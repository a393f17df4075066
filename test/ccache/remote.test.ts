import { describe, expect, it } from 'vitest';
import { attributesForCcache, localPath, parseRemotes, relayFault } from '../../src/ccache/remote.ts';
import { reply, takeCommand } from '../../src/ccache/resp.ts';
import { pathOf } from '../../src/ccache/stores.ts';

const one = (text: string) => {
  const [remote] = parseRemotes(text, 'ccache-remote');
  if (remote === undefined) throw new Error('none');
  return remote;
};

describe('ccache-remote', () => {
  it('is a list of URLs with attributes', () => {
    expect(parseRemotes('', 'ccache-remote')).toEqual([]);
    expect(parseRemotes(' file:/srv/ccache|read-only  redis://a@b/2 ', 'ccache-remote')).toEqual([
      { url: 'file:/srv/ccache', attributes: ['read-only'] },
      { url: 'redis://a@b/2', attributes: [] },
    ]);
  });

  it.each(['/srv/ccache', 'redis', 'http://', 'redis://h:port', 'file:ccache', 'redis+unix:'])(
    'refuses %s',
    (text) => {
      expect(() => parseRemotes(text, 'ccache-remote')).toThrow(
        `ccache-remote: ${JSON.stringify(text)} is no storage of ccache's`,
      );
    },
  );

  it.each([
    ['file:/srv/ccache', '/srv/ccache'],
    ['file:///srv/ccache', '/srv/ccache'],
    ['redis+unix:/run/redis.sock?db=1', '/run/redis.sock'],
    ['redis+unix://user:pass@localhost/run/redis.sock', '/run/redis.sock'],
    ['redis://host', undefined],
    ['http://host/cache', undefined],
  ])('%s is at %s', (text, path) => {
    expect(localPath(one(text))).toBe(path);
  });

  it.each([
    ['redis://host|operation-timeout=5000|read-only', undefined],
    ['http://host|layout=bazel|bearer-token=x|keep-alive=false', undefined],
    ['http://host|layout=tall', 'there is no layout tall'],
    ['redis://*|shards=a,b', 'steps in the sandbox do without shards'],
    ['gs://bucket', 'steps in the sandbox reach file:, redis: and http: alone'],
  ])('%s in the sandbox: %s', (text, fault) => {
    expect(relayFault(one(text))).toBe(fault);
  });

  it('leaves ccache what is its own, and keeps a token from it', () => {
    expect(attributesForCcache(one('http://host|bearer-token=x|read-only|connect-timeout=9'))).toEqual([
      'read-only',
      'connect-timeout=9',
    ]);
  });

  it.each([
    ['flat', '4c8eo28a0gc2741oeqmpqmavu8rsdbu56'],
    ['subdirs', '4c/8eo28a0gc2741oeqmpqmavu8rsdbu56'],
  ])('layout %s', (layout, path) => {
    expect(pathOf('4c8eo28a0gc2741oeqmpqmavu8rsdbu56', layout)).toBe(path);
  });
});

describe('a command of a client of Redis', () => {
  const value = Buffer.from('a\r\n$b\0c');
  const bytes = Buffer.concat([
    Buffer.from(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n`),
    value,
    Buffer.from('\r\n'),
  ]);

  it('is taken when all of it has arrived, and no sooner', () => {
    for (let length = 0; length < bytes.length; length++)
      expect(takeCommand(bytes.subarray(0, length))).toBeUndefined();
    const taken = takeCommand(Buffer.concat([bytes, Buffer.from('*1\r\n')]));
    expect(taken?.length).toBe(bytes.length);
    expect(taken?.words.map(String)).toEqual(['SET', 'k', String(value)]);
  });

  it.each(['GET / HTTP/1.1\r\n', '*1\r\n+OK\r\n', '*-1\r\n', '*1\r\n$999999999\r\n', 'x'.repeat(20)])(
    'is not %j',
    (text) => {
      expect(() => takeCommand(Buffer.from(text))).toThrow(/expected [*$] and a length/);
    },
  );

  it('is answered on one line', () => {
    expect(String(reply.error('a\r\nb'))).toBe('-ERR a b\r\n');
  });
});
