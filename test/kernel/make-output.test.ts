import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { caseTwin, readMakeOutput } from '../../src/kernel/make-output.ts';
import { ONE_STREAM } from '../../src/kernel/run-make.ts';
import { run } from '../../src/platform/process.ts';

let tree: string;

beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), 'kiln-make-'));
  put('Makefile', 'all:\n\t$(MAKE) -C drivers/box\n');
});

afterEach(() => {
  rmSync(tree, { recursive: true, force: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(tree, path)), { recursive: true });
  writeFileSync(join(tree, path), text);
}

/** What a real make with the real tools says about the tree. */
async function make() {
  const files: string[] = [];
  const output = readMakeOutput(tree, (file) => files.push(file));
  const args = [...ONE_STREAM, '-C', tree, '-k', '--output-sync=target', 'all'];
  const { exitCode } = await run('/bin/sh', args, { onLine: (line) => output.push(line) });
  return { exitCode, files, compiled: output.compiled, errors: output.errors, missing: output.missing };
}

const COMPILE = 'box.o: box.c\n\tgcc -Wall -c -o box.o box.c\n';

test('counts what is compiled, with paths from the top of the tree', async () => {
  put('drivers/box/Makefile', COMPILE);
  put('drivers/box/box.c', 'int box;\n');
  expect(await make()).toMatchObject({ exitCode: 0, compiled: 1, files: ['drivers/box/box.c'], errors: [] });
});

test('counts the short lines in which later makefiles say what they compile', async () => {
  put(
    'drivers/box/Makefile',
    "all:\n\t@echo '  CC [M]  drivers/box/box.o'; echo '  LD [M]  drivers/box/b.o'\n",
  );
  expect(await make()).toMatchObject({ exitCode: 0, compiled: 1 });
});

test("a compiler's error is reported, not make's", async () => {
  put('drivers/box/Makefile', COMPILE);
  put('drivers/box/box.c', '\nint box = oak;\n');
  const { exitCode, errors } = await make();
  expect(exitCode).not.toBe(0);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(/^drivers\/box\/box\.c:2:11: error: .*oak/);
});

test('a header that is not there is reported', async () => {
  put('drivers/box/Makefile', COMPILE);
  put('drivers/box/box.c', '#include <linux/nothing.h>\n');
  expect((await make()).errors[0]).toMatch(/^drivers\/box\/box\.c:1:\d+: fatal error: linux\/nothing\.h/);
});

test("an assembler's error is reported", async () => {
  put('drivers/box/Makefile', COMPILE);
  put('drivers/box/box.c', 'void box(void) { asm("opened %eax"); }\n');
  expect((await make()).errors[0]).toMatch(/Error: .*opened/);
});

test.each(['no-such-program --box', 'no-such-program --box; true && no-such-program'])(
  'a program that is not there is reported, by make itself or by a shell: %s',
  async (command) => {
    put('drivers/box/Makefile', `all:\n\t${command}\n`);
    expect((await make()).errors[0]).toMatch(/no-such-program: (?:(?:command )?not found|No such file)/);
  },
);

test('a symbol that nobody defines is reported', async () => {
  put('drivers/box/Makefile', 'box: box.c\n\tgcc -nostdlib -o box box.c\n');
  put('drivers/box/box.c', 'int lid(void);\nint _start(void) { return lid(); }\n');
  expect((await make()).errors[0]).toContain("undefined reference to `lid'");
});

test('a program that is not installed is reported', async () => {
  put('drivers/box/Makefile', 'box.c:\n\tno-such-generator; false\n');
  expect((await make()).errors[0]).toContain('no-such-generator');
});

test('a source that is missing is named, and its twin in other case', async () => {
  put('drivers/box/Makefile', 'all: BOX.o\n%.o: %.c\n\tgcc -c -o $@ $<\n');
  put('drivers/box/box.c', 'int box;\n');
  expect((await make()).missing).toEqual(['drivers/box/BOX.c']);
  expect(caseTwin(tree, 'drivers/box/BOX.c')).toBe('drivers/box/box.c');
  expect(caseTwin(tree, 'drivers/box/lid.c')).toBeUndefined();
});

test('a header that is there in other case alone is named', async () => {
  put('drivers/box/Makefile', COMPILE);
  put('drivers/box/box.c', '#include <linux/box.h>\n#include <linux/lid.h>\n');
  put('include/linux/BOX.h', '');
  expect((await make()).missing).toEqual(['include/linux/box.h']);
});
