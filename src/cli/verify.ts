import type { Command } from 'commander';
import {
  type BundleFault,
  checkBundle,
  findBundle,
  listBundles,
  type StoredBundle,
} from '../bundle/index.ts';
import { contextOf } from './context.ts';
import { print, printJson, styled } from './output.ts';

export function registerVerify(program: Command): void {
  const command = program
    .command('verify')
    .description('hold every file of bundles against their manifests')
    .argument('[BUNDLE...]', 'ids or directories (default: every bundle)')
    .addHelpText('after', '\nExits with 4 when anything is missing, damaged or unexpected.')
    .action(async (references: string[]) => {
      const { home, json } = await contextOf(command);
      const bundles: StoredBundle[] =
        references.length === 0
          ? await listBundles(home)
          : await Promise.all(references.map((reference) => findBundle(home, reference)));
      const reports: { bundle: string; directory: string; files: number; faults: BundleFault[] }[] = [];
      for (const { directory, manifest } of bundles) {
        const faults = await checkBundle(directory, manifest);
        const files = Object.keys(manifest.files).length;
        reports.push({ bundle: manifest.id, directory, files, faults });
        if (json) continue;
        const verdict =
          faults.length === 0
            ? styled('green', 'ok', process.stdout)
            : styled('red', 'damaged', process.stdout);
        print(`${manifest.id}  ${manifest.recipe}:${manifest.variant}  ${files} files  ${verdict}`);
        for (const fault of faults) print(`  ${directory}/${fault.sentence}`);
      }
      const ok = reports.every(({ faults }) => faults.length === 0);
      if (json) printJson({ bundles: reports, ok });
      else if (bundles.length === 0) print('No bundles yet: kiln build makes them.');
      process.exitCode = ok ? 0 : 4;
    });
}
