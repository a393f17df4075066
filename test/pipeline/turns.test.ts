import { expect, it } from 'vitest';
import { Turns } from '../../src/pipeline/turns.ts';

it('turns come in the order in which they were taken, each when all before it have passed', async () => {
  const turns = new Turns();
  const [first, second, third] = [turns.take(), turns.take(), turns.take()];
  const order: string[] = [];
  const all = Promise.all([
    third.comes.then(() => order.push('third')),
    second.comes.then(() => order.push('second')),
    first.comes.then(() => order.push('first')),
  ]);
  await first.comes;
  expect(order).toEqual(['first']);
  second.pass();
  second.pass();
  first.pass();
  await all;
  expect(order).toEqual(['first', 'second', 'third']);
});
