import { basename } from 'node:path';
import type { Command } from 'commander';
import {
  type BundleFault,
  findBundle,
  inspectBundle,
  type StoredBundle,
  surveyBundles,
  trustedKeys,
  type UnreadableBundle,
} from '../bundle/index.ts';
import { KilnError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import type { Home } from '../platform/home.ts';
import {
  inspectServing,
  objections,
  type Policy,
  policyPath,
  type Repairs,
  readPolicy,
  repair,
  type ServingReport,
  STRICT,
} from '../publish/index.ts';
import { contextOf } from './context.ts';
import { print, printJson, styled } from './output.ts';

interface BundleReport {
  readonly bundle: string;
  readonly directory: string;
  readonly files: number;
  readonly faults: readonly BundleFault[];
  /** What the policy has against it; only where one was asked for. */
  readonly objections?: readonly string[];
}

interface VerifyOptions {
  readonly repair?: boolean;
  readonly policy?: boolean | string;
}

export function registerVerify(program: Command): void {
  const command = program
    .command('verify')
    .description(
      'hold bundles against their manifests and signatures, and what nodes are served against them',
    )
    .argument('[BUNDLE...]', 'ids or directories (default: every bundle, every channel, the TFTP root)')
    .option('--repair', 'mend what is served from the store: links, boot files, modules')
    .option(
      '--policy [FILE]',
      "hold bundles against a policy as well (default: policy.yaml in the home, else Kiln's own)",
    )
    .addHelpText(
      'after',
      `
Examples:
  kiln verify                                   every byte, every signature, every link
  kiln verify --repair                          and put back what is missing or damaged below tftp/
  kiln verify --policy                          what the policy would refuse to publish

Exits with 4 when anything is missing, damaged, unsigned or unexpected. What Kiln did not put into the TFTP root
(a loader's files, say) is listed and is no fault.`,
    )
    .action(async (references: string[], options: VerifyOptions) => {
      const { home, json } = await contextOf(command);
      const repairs = options.repair === true ? await repair(home) : undefined;
      const policy = await policyOf(home, options.policy);
      const { bundles, unreadable } =
        references.length === 0
          ? await surveyBundles(home)
          : {
              bundles: await Promise.all(references.map((reference) => findBundle(home, reference))),
              unreadable: [],
            };
      const say = json ? () => undefined : print;
      const reports = [
        ...(await inspectAll(home, bundles, policy, say)),
        ...reportUnreadable(unreadable, say),
      ];
      const serving = references.length === 0 ? await inspectServing(home) : undefined;
      const ok =
        reports.every(({ faults, objections: against = [] }) => faults.length + against.length === 0) &&
        (serving?.faults.length ?? 0) === 0 &&
        (repairs?.failed.length ?? 0) === 0;
      if (json) {
        printJson({
          bundles: reports,
          ...(serving === undefined ? {} : { serving }),
          ...(repairs === undefined ? {} : { repairs }),
          ok,
        });
      } else {
        if (reports.length === 0) print('No bundles yet: kiln build makes them.');
        for (const text of [...servingLines(serving), ...repairLines(repairs)]) print(text);
      }
      process.exitCode = ok ? 0 : 4;
    });
}

/** What should be bundles and can't be read as such. */
function reportUnreadable(
  unreadable: readonly UnreadableBundle[],
  say: (text: string) => void,
): BundleReport[] {
  return unreadable.map(({ directory, sentence }) => {
    const bundle = basename(directory);
    say(`${bundle}  ${styled('red', 'damaged', process.stdout)}`);
    say(`  ${sentence}`);
    return { bundle, directory, files: 0, faults: [{ file: 'manifest.json', problem: 'damaged', sentence }] };
  });
}

async function policyOf(home: Home, given: boolean | string | undefined): Promise<Policy | undefined> {
  if (given === undefined || given === false) return undefined;
  if (given === true) return (await readPolicy(policyPath(home))) ?? STRICT;
  const policy = await readPolicy(given);
  if (policy !== undefined) return policy;
  throw new KilnError('usage', `there is no policy ${given}`, {
    hint: 'docs/publishing.md says what it may hold',
  });
}

async function inspectAll(
  home: Home,
  bundles: readonly StoredBundle[],
  policy: Policy | undefined,
  say: (text: string) => void,
): Promise<BundleReport[]> {
  const trusted = await trustedKeys(home);
  const reports: BundleReport[] = [];
  for (const bundle of bundles) {
    const { directory, manifest } = bundle;
    let faults = await inspectBundle(bundle, trusted);
    if (faults.length > 0) {
      // Removed or made again while it was read?
      if (!(await exists(directory))) continue;
      faults = await inspectBundle(bundle, trusted);
    }
    const against = policy === undefined ? undefined : await objections(home, bundle, policy);
    const files = Object.keys(manifest.files).length;
    reports.push({
      bundle: manifest.id,
      directory,
      files,
      faults,
      ...(against === undefined ? {} : { objections: against }),
    });
    say(
      `${manifest.id}  ${manifest.recipe}:${manifest.variant}  ${files} files  ${verdict(faults, against)}`,
    );
    for (const fault of faults) say(`  ${directory}/${fault.sentence}`);
    for (const sentence of against ?? []) say(`  policy: ${sentence}`);
  }
  return reports;
}

function verdict(faults: readonly BundleFault[], against: readonly string[] | undefined): string {
  const damaged = faults.some(({ problem }) => problem !== 'unsigned');
  if (damaged) return styled('red', 'damaged', process.stdout);
  if (faults.length > 0) return styled('red', 'without a good signature', process.stdout);
  return (against ?? []).length > 0
    ? styled('red', 'refused by the policy', process.stdout)
    : styled('green', 'ok', process.stdout);
}

function servingLines(serving: ServingReport | undefined): string[] {
  if (serving === undefined) return [];
  const { channels, faults, foreign, notes } = serving;
  const state =
    faults.length === 0 ? styled('green', 'ok', process.stdout) : styled('red', 'wrong', process.stdout);
  return [
    `TFTP root  ${channels.length} channels  ${state}`,
    ...faults.map(({ sentence }) => `  ${sentence}`),
    ...foreign.map((path) => `  not Kiln's: ${path}`),
    ...notes.map((text) => `  note: ${text}`),
  ];
}

function repairLines(repairs: Repairs | undefined): string[] {
  if (repairs === undefined) return [];
  const { done, failed } = repairs;
  return [
    ...done.map((text) => `repaired: ${text}`),
    ...failed.map((text) => `could not be repaired: ${text}`),
    ...(done.length + failed.length === 0 ? ['nothing had to be repaired'] : []),
  ];
}
