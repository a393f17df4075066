import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { CHECKOUT } from '../pipeline/recipes.ts';
import { KilnError } from '../platform/errors.ts';
import { readTextIfAny } from '../platform/files.ts';
import { type Home, homeAt } from '../platform/home.ts';

/** Where a setting came from; the first of these that names it wins. */
export type Origin = 'flag' | 'environment' | 'kiln.yaml' | 'default';

export interface Setting {
  readonly name: string;
  readonly value: string;
  readonly origin: Origin;
}

interface Known {
  readonly name: string;
  readonly variable: string;
  readonly describe: string;
  readonly fallback: () => string;
}

/** Every setting that can be made in a flag, the environment or kiln.yaml. */
export const SETTINGS: readonly Known[] = [
  {
    name: 'jobs',
    variable: 'KILN_JOBS',
    describe: 'variants that are built at once',
    fallback: () => String(availableParallelism()),
  },
  {
    name: 'mirror',
    variable: 'KILN_MIRROR',
    describe: 'directories searched for sources before the network, separated by ":"',
    fallback: () => '',
  },
  {
    name: 'nfs-roots',
    variable: 'KILN_NFS_ROOTS',
    describe: 'NFS roots of nodes that modules are put into before a flip, separated by ":"',
    fallback: () => '',
  },
  {
    name: 'keep',
    variable: 'KILN_KEEP',
    describe: "each channel's newest generations that kiln gc keeps",
    fallback: () => '5',
  },
  {
    name: 'grace',
    variable: 'KILN_GRACE',
    describe: 'how long kiln gc keeps what nodes may still run after a channel has left it, e.g. 12h, 7d',
    fallback: () => '7d',
  },
  {
    name: 'cache-age',
    variable: 'KILN_CACHE_AGE',
    describe: 'how long kiln gc keeps what the cache was not asked for, and logs',
    fallback: () => '30d',
  },
  {
    name: 'cache-size',
    variable: 'KILN_CACHE_SIZE',
    describe: 'how much cache kiln gc leaves, e.g. 20GiB; empty: as much as there is',
    fallback: () => '',
  },
  {
    name: 'sandbox',
    variable: 'KILN_SANDBOX',
    describe: 'auto: steps run in bubblewrap where it works; off: without',
    fallback: () => 'auto',
  },
  {
    name: 'ccache',
    variable: 'KILN_CCACHE',
    describe: 'auto: compile through ccache where it is installed; off: without',
    fallback: () => 'auto',
  },
  {
    name: 'ccache-size',
    variable: 'KILN_CCACHE_SIZE',
    describe: "limit of ccache's directory in the home, e.g. 2G",
    fallback: () => '2G',
  },
  {
    name: 'ccache-remote',
    variable: 'KILN_CCACHE_REMOTE',
    describe: "ccache's remote storages, e.g. redis://HOST:6379, http://HOST/cache, file:/srv/ccache",
    fallback: () => '',
  },
  {
    name: 'watch',
    variable: 'KILN_WATCH',
    describe: 'recipes that kiln watch and kiln serve look after, separated by ":"; empty: all',
    fallback: () => '',
  },
  {
    name: 'watch-policy',
    variable: 'KILN_WATCH_POLICY',
    describe:
      'what they do about a newer patch where a recipe does not say: notify, build, testing or publish',
    fallback: () => 'build',
  },
  {
    name: 'watch-every',
    variable: 'KILN_WATCH_EVERY',
    describe: 'how often they ask upstream where a rule does not say, e.g. 6h',
    fallback: () => '6h',
  },
  {
    name: 'progress',
    variable: 'KILN_PROGRESS',
    describe: 'auto, tty, plain, json or none',
    fallback: () => 'auto',
  },
];

export type Flags = Readonly<Record<string, string | undefined>>;

/** The home: `--home`, else $KILN_HOME, else `artifacts/` in the checkout. @throws KilnError `usage` for `--home ''` */
export function homeFrom(flag: string | undefined): { home: Home; origin: Origin } {
  // A variable of a script that nobody has set must not make the working directory the home.
  if (flag === '')
    throw new KilnError('usage', '--home is empty', { hint: 'name a directory, or leave it out' });
  if (flag !== undefined) return { home: homeAt(resolve(flag)), origin: 'flag' };
  const variable = process.env.KILN_HOME;
  if (variable !== undefined && variable !== '')
    return { home: homeAt(resolve(variable)), origin: 'environment' };
  return { home: homeAt(join(CHECKOUT, 'artifacts')), origin: 'default' };
}

/** Settles every setting: flag, environment, `kiln.yaml` in the home, default. */
export async function readSettings(home: Home, flags: Flags): Promise<Setting[]> {
  const file = join(home.root, 'kiln.yaml');
  const written = readFileSettings(await readTextIfAny(file), file);
  return SETTINGS.map(({ name, variable, fallback }): Setting => {
    const flag = flags[name];
    if (flag !== undefined) return { name, value: flag, origin: 'flag' };
    const fromEnvironment = process.env[variable];
    if (fromEnvironment !== undefined && fromEnvironment !== '') {
      return { name, value: fromEnvironment, origin: 'environment' };
    }
    const fromFile = written.get(name);
    if (fromFile !== undefined) return { name, value: fromFile, origin: 'kiln.yaml' };
    return { name, value: fallback(), origin: 'default' };
  });
}

function readFileSettings(text: string | undefined, file: string): Map<string, string> {
  if (text === undefined) return new Map();
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    throw new KilnError('invalid', `not valid YAML: ${(error as Error).message.split('\n')[0]}`, {
      place: { file },
      hint: 'write it as `jobs: 2`, a setting a line',
    });
  }
  const settings = new Map<string, string>();
  for (const [name, value] of Object.entries((raw ?? {}) as Record<string, unknown>)) {
    if (!SETTINGS.some((known) => known.name === name)) {
      throw new KilnError('invalid', `there is no setting ${name}`, {
        place: { file },
        hint: `settings are ${SETTINGS.map((known) => known.name).join(', ')}`,
      });
    }
    settings.set(name, Array.isArray(value) ? value.join(':') : String(value));
  }
  return settings;
}

/** The value of one setting. */
export function settingOf(settings: readonly Setting[], name: string): string {
  return settings.find((setting) => setting.name === name)?.value ?? '';
}

/** A positive whole number from a setting. @throws KilnError `usage` naming where it was set */
export function numberOf(settings: readonly Setting[], name: string): number {
  const setting = settings.find((one) => one.name === name);
  const value = Number(setting?.value);
  if (Number.isInteger(value) && value > 0 && value <= 1024) return value;
  throw new KilnError('usage', `${name} is ${JSON.stringify(setting?.value)} (${setting?.origin})`, {
    hint: 'expected a whole number from 1 to 1024',
  });
}
