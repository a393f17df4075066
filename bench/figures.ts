import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';

const FILE = join(resolve(import.meta.dirname, '..'), 'docs/benchmarks.md');

const HEAD = `# Benchmarks

Figures of \`npm run bench\`, which runs Kiln and its rivals on the same input in the same run. Each section says on what
machine it was measured; ratios say more than seconds.
`;

/**
 * Puts a table into docs/benchmarks.md with the machine and the date, in the place of the one of the same name.
 * @param rows the first is the head
 */
export function publishFigures(name: string, title: string, rows: readonly (readonly string[])[]): void {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const section = [
    `<!-- ${name} -->`,
    `## ${title}`,
    '',
    machine(),
    '',
    line(head),
    line(head.map(() => '---')),
    ...body.map(line),
    `<!-- /${name} -->`,
    '',
  ].join('\n');
  const text = existsSync(FILE) ? readFileSync(FILE, 'utf8') : HEAD;
  const known = new RegExp(`<!-- ${name} -->[\\s\\S]*?<!-- /${name} -->\\n`);
  writeFileSync(FILE, known.test(text) ? text.replace(known, () => section) : `${text}\n${section}`);
}

function machine(): string {
  const [cpu] = cpus();
  const first = (command: string) =>
    execFileSync(command, ['--version'], { encoding: 'utf8' }).split('\n')[0];
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${availableParallelism()} cores of ${cpu?.model.trim() ?? 'an unknown processor'}, ${memory} GiB, ${first('gcc')}, ${first('make')}, Node ${process.versions.node}; ${new Date().toISOString().slice(0, 10)}.`;
}
