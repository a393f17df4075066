import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Edits, type EditsOptions } from '../../src/watch/edits.ts';
import { freshDirectory } from '../support/kiln.ts';

const opened: Edits[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

/** Edits that are waited for one at a time. */
function listening(options: EditsOptions) {
  let heard = Promise.withResolvers<void>();
  const edits = new Edits(() => heard.resolve(), options);
  opened.push(edits);
  return {
    edits,
    /** Returns when the system has told of an edit that is made now. */
    async heardOf(edit: () => void): Promise<void> {
      heard = Promise.withResolvers();
      edit();
      await heard.promise;
    },
  };
}

describe.each([
  ['that the system tells of', {}],
  ['in a file system that tells nothing', { isTold: () => false }],
])('an edit %s is heard of', (_where, options: EditsOptions) => {
  it('in a file, by whatever means an editor writes it', async () => {
    const directory = freshDirectory('edits');
    const file = join(directory, 'a.config');
    writeFileSync(file, 'one\n');
    const { edits, heardOf } = listening(options);
    expect(await edits.follow({ files: new Set([file]), trees: new Set() })).toBe(true);
    expect(await edits.follow({ files: new Set([file]), trees: new Set() })).toBe(false);
    await heardOf(() => writeFileSync(file, 'two, longer\n'));
    await heardOf(() => {
      writeFileSync(`${file}.new`, 'three\n');
      renameSync(`${file}.new`, file);
    });
    await heardOf(() => rmSync(file));
  });

  it('anywhere below a directory that is a source', async () => {
    const tree = join(freshDirectory('edits'), 'kit');
    mkdirSync(join(tree, 'etc/init.d'), { recursive: true });
    const { edits, heardOf } = listening(options);
    const what = { files: new Set([tree]), trees: new Set([tree]) };
    await edits.follow(what);
    await heardOf(() => writeFileSync(join(tree, 'etc/init.d/rcS'), '#!/bin/sh\n'));
    await heardOf(() => mkdirSync(join(tree, 'usr')));
    expect(await edits.follow(what)).toBe(true);
    await heardOf(() => writeFileSync(join(tree, 'usr/new'), ''));
  });

  it('in a directory that was not there, and in one that has taken the place of another', async () => {
    const directory = join(freshDirectory('edits'), 'r');
    const file = join(directory, 'a.config');
    const { edits, heardOf } = listening(options);
    const what = { files: new Set([file]), trees: new Set<string>() };
    await edits.follow(what);
    await heardOf(() => {
      mkdirSync(directory);
      writeFileSync(file, 'one\n');
    });
    await edits.follow(what);
    await heardOf(() => {
      renameSync(directory, `${directory}.old`);
      mkdirSync(directory);
    });
    await edits.follow(what);
    await heardOf(() => writeFileSync(file, 'another\n'));
  });
});
