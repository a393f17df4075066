import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterFailure, afterSuccess } from '../../src/watch/pace.ts';
import { Settling } from '../../src/watch/settle.ts';

describe('a burst of changes', () => {
  it('is one change, when the last of them is old enough', () => {
    const settling = new Settling(100, 1000);
    for (const at of [0, 50, 140, 220]) {
      settling.note(at);
      expect(settling.take(at + 60)).toBe(false);
    }
    expect(settling.readyAt).toBe(320);
    expect(settling.take(319)).toBe(false);
    expect(settling.take(320)).toBe(true);
    expect(settling.take(10_000)).toBe(false);
  });

  it('that never ends is looked at all the same', () => {
    const settling = new Settling(100, 1000);
    let taken = -1;
    for (let at = 0; at < 2000 && taken < 0; at += 50) {
      settling.note(at);
      if (settling.take(at)) taken = at;
    }
    expect(taken).toBe(1000);
  });

  it('never loses the last change', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 500 })), (gaps) => {
        const settling = new Settling(100, 1000);
        let now = 0;
        let noted = -1;
        let seen = -1;
        for (const gap of gaps) {
          now += gap;
          if (settling.take(now)) seen = now;
          settling.note(now);
          noted = now;
        }
        if (settling.take(now + 100)) seen = now + 100;
        expect(seen >= noted || noted === -1).toBe(true);
      }),
    );
  });
});

describe('a server', () => {
  it('is asked after the interval, never sooner, and up to a tenth later', () => {
    expect(afterSuccess(1000, 6000, 0)).toBe(7000);
    expect(afterSuccess(1000, 6000, 0.999)).toBeLessThanOrEqual(7600);
  });

  it('that fails is left alone for longer each time, up to a bound, and as long as it asks for', () => {
    const hour = 3_600_000;
    const waits = [1, 2, 3, 20].map((failures) => afterFailure(0, failures, 6 * hour, 0));
    expect(waits).toEqual([hour / 12, hour / 6, hour / 3, 48 * hour]);
    expect(afterFailure(0, 1, 6 * hour, 0, 2 * hour)).toBe(2 * hour);
  });
});
