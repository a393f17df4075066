import {
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { remembered } from '../../src/platform/remembered.ts';
import { freshDirectory } from '../support/kiln.ts';

/** A file, and what is found in it; `looks` counts how often somebody looked. */
function subject() {
  const directory = freshDirectory('remembered');
  const file = join(directory, 'file');
  writeFileSync(file, 'one');
  const note = join(directory, 'notes/note.json');
  const state = { file, note, looks: 0, find: () => ask(later) };
  const later = () => Date.now() + 60_000;
  // A second after the file was changed, however long it takes to get to the question.
  const justNow = () => statSync(file).ctimeMs + 1000;
  const ask = (now: () => number) =>
    remembered(
      note,
      async () => {
        state.looks++;
        return { value: readFileSync(file, 'utf8'), files: [file] };
      },
      now,
    );
  return { ...state, looksSoFar: () => state.looks, findNow: () => ask(justNow) };
}

describe('what was found out of a file', () => {
  it('is not looked for again', async () => {
    const { find, looksSoFar } = subject();
    expect([await find(), await find(), await find()]).toEqual(['one', 'one', 'one']);
    expect(looksSoFar()).toBe(1);
  });

  it('is looked for again when another text of the same size and time is written into it', async () => {
    const { find, file } = subject();
    await find();
    const { atime, mtime } = statSync(file);
    writeFileSync(file, 'two');
    utimesSync(file, atime, mtime);
    expect(await find()).toBe('two');
  });

  it('is looked for again when another file takes its place', async () => {
    const { find, file } = subject();
    await find();
    writeFileSync(`${file}.new`, 'new');
    renameSync(`${file}.new`, file);
    expect(await find()).toBe('new');
  });

  it('is not noted of a file that was changed just now: it may change again within one tick', async () => {
    const { findNow, note, looksSoFar } = subject();
    expect([await findNow(), await findNow()]).toEqual(['one', 'one']);
    expect(looksSoFar()).toBe(2);
    expect(existsSync(note)).toBe(false);
  });

  it('is looked for again where a power cut left half a note, and the note is whole then', async () => {
    const { find, note, looksSoFar } = subject();
    await find();
    writeFileSync(note, readFileSync(note, 'utf8').slice(0, 20));
    expect([await find(), await find()]).toEqual(['one', 'one']);
    expect(looksSoFar()).toBe(2);
    expect(readdirSync(join(note, '..'))).toEqual(['note.json']);
  });
});
