import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from '../pipeline/recipes.ts';
import { sha256 } from '../platform/digest.ts';
import { KilnError } from '../platform/errors.ts';

/** What decides what a worker makes of a job, below the checkout. */
const PARTS = ['src', 'workers', 'kconfig'];

/**
 * This Kiln's version, with a digest of its code and fragments: two checkouts of the same version may differ, and a
 * job means the same only where both are the same.
 */
export function kilnVersion(): string {
  const { version } = JSON.parse(readFileSync(join(CHECKOUT, 'package.json'), 'utf8')) as { version: string };
  const files = PARTS.flatMap((part) =>
    readdirSync(join(CHECKOUT, part), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(ts|c|h|S|sh|tsv|config)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name)),
  ).sort();
  const digest = sha256(
    files.map((file) => `${file.slice(CHECKOUT.length)} ${sha256(readFileSync(file))}\n`).join(''),
  );
  return `${version}+${digest.slice(0, 12)}`;
}

/** Why a worker can't work for a coordinator of another version. */
export function notOneVersion(coordinator: string, worker: string): KilnError {
  return new KilnError(
    'usage',
    `the coordinator runs Kiln ${coordinator}, this worker ${worker}: they have to be the same`,
    {
      hint: "bring this checkout to the coordinator's commit (git pull), then start the worker again",
    },
  );
}
