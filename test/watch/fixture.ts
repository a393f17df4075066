import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { homeAt } from '../../src/platform/home.ts';
import type { Job } from '../../src/queue/job.ts';
import { Ledger } from '../../src/queue/ledger.ts';
import type { AskPatience } from '../../src/watch/ask.ts';
import type { WatchContext } from '../../src/watch/context.ts';
import type { Upstream as Which } from '../../src/watch/look.ts';
import { lookOnce } from '../../src/watch/pass.ts';
import type { WatchReport } from '../../src/watch/report.ts';
import { CHECKOUT, freshDirectory } from '../support/kiln.ts';
import { SAMPLE_TARBALL } from '../support/recipes.ts';

/** The sample's patch for RTL-8139. */
export const PATCH = readFileSync(join(CHECKOUT, 'recipes/sample/patches/0001-8139too.patch'));

/** Its other patch. */
export const SAY_MORE = readFileSync(join(CHECKOUT, 'recipes/sample/patches/0002-drivers-say-more.patch'));

/** The same driver that says something else. */
export function reworded(words: string): Buffer {
  return Buffer.from(PATCH.toString().replace('says which is there.', words));
}

/** A patch whose context the sample kernel does not have. */
export const MISFIT = Buffer.from(PATCH.toString().replace('AMD PCnet on PCI', 'another card'));

/** A machine that is busy is no server that is away. */
const PATIENT: AskPatience = { stallMs: 60_000, totalMs: 60_000 };

/** A recipe of the sample kernel in a directory of its own, with two variants, and a home. */
export interface Place {
  readonly directory: string;
  readonly recipe: string;
  readonly context: WatchContext;
  /** Milliseconds; moves as the test says. */
  clock: { now: number };
  write(name: string, text: string | Buffer): void;
  /** @param patience with servers; much by default */
  look(upstream?: Which, patience?: AskPatience): Promise<WatchReport>;
  jobs(): Job[];
}

export interface PlaceOptions {
  /** The value of `patches:`. */
  readonly patches: string;
  readonly more?: string;
  readonly policy?: WatchContext['policy'];
}

export function makePlace({ patches, more = '', policy = 'build' }: PlaceOptions): Place {
  const directory = freshDirectory('watch');
  const home = homeAt(join(directory, 'home'));
  mkdirSync(join(directory, 'r'));
  const recipe = join(directory, 'r', 'own.yaml');
  const write = (name: string, text: string | Buffer) => writeFileSync(join(directory, 'r', name), text);
  copyFileSync(SAMPLE_TARBALL, join(directory, 'r', 'linux-2.4.99.tar.bz2'));
  write(
    'own.yaml',
    `name: own
kernel:
  version: 2.4.99
  source: { urls: [linux-2.4.99.tar.bz2] }
patches: ${patches}
config:
  fragments: [all.config]
variants:
  a: {}
  b: { fragments: [b.config] }
gates: [audit, verify]
channel: own/{variant}
${more}`,
  );
  write('all.config', 'CONFIG_NE2K_PCI=y\n');
  write('b.config', 'CONFIG_8139TOO=y\n');
  const clock = { now: 1_000_000_000_000 };
  const context: WatchContext = {
    home,
    references: [recipe],
    mirrors: [],
    workshop: { sandbox: 'auto', ccache: { use: 'off', size: '1G', remote: '' }, clean: false },
    policy,
    everyMs: 3_600_000,
    patience: PATIENT,
    fetchPatience: { attempts: 1, stallMs: 60_000 },
    now: () => clock.now,
    chance: () => 0,
    signal: new AbortController().signal,
  };
  return {
    directory,
    recipe,
    context,
    clock,
    write,
    look: async (upstream = 'now', patience = PATIENT) =>
      (await lookOnce({ ...context, patience }, upstream)).report,
    jobs() {
      const ledger = Ledger.of(home);
      try {
        return ledger.jobs();
      } finally {
        ledger.close();
      }
    },
  };
}

/** The patch of an upstream with a rule that watches its listing. */
export function watched(url: string, version = '1'): string {
  return `
  - name: fix-${version}
    urls: [${url}fix-${version}.patch]
    watch: { index: "${url}", match: 'fix-(\\d+)\\.patch' }`;
}
