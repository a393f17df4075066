import { describe, expect, it } from 'vitest';
import { Kept } from '../../src/server/kept.ts';

describe('what was read', () => {
  it('is read once for all who ask, until something has changed', async () => {
    let [stamp, reads] = ['before', 0];
    const kept = new Kept(() => stamp);
    const ask = () => kept.get('channels', async () => ++reads);
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([1, 1, 1]);
    stamp = 'after';
    expect(await Promise.all([ask(), ask()])).toEqual([2, 2]);
    expect(await kept.get('bundles', () => 'other')).toBe('other');
    expect(reads).toBe(2);
  });

  it('while something changed is not given to those who ask after that', async () => {
    let stamp = 'before';
    const kept = new Kept(() => stamp);
    const slow = Promise.withResolvers<string>();
    const early = kept.get('channels', () => slow.promise);
    stamp = 'after';
    expect(await kept.get('channels', () => 'new')).toBe('new');
    slow.resolve('old');
    expect(await early).toBe('old');
    expect(await kept.get('channels', () => 'newer')).toBe('new');
  });

  it('and failed is read again', async () => {
    const kept = new Kept(() => 'same');
    const fail = () => Promise.reject(new Error('the disk is away'));
    await expect(kept.get('channels', fail)).rejects.toThrow('the disk is away');
    expect(await kept.get('channels', () => 'there')).toBe('there');
  });
});
