/** What the header include/linux/compile.h tells the kernel about its build. */
export interface CompileFacts {
  /** Seconds since 1970 that stand for the time of the build. */
  readonly buildDate: number;
  readonly smp: boolean;
  /** As the compiler says it. */
  readonly compilerVersion: string;
}

/** The user and the host that every kernel of Kiln's names. */
export const BUILDER = 'kiln';

/** Longest UTS_VERSION, as the Makefile cuts it. */
const UTS_LIMIT = 64;

/**
 * The text of include/linux/compile.h, with the names and in the form that 2.4's Makefile gives them, but
 * with nothing of the machine: the user and host are Kiln's, the build number is always 1.
 */
export function compileHeader({ buildDate, smp, compilerVersion }: CompileFacts): string {
  const version = `#1${smp ? ' SMP' : ''} ${unixDate(buildDate)}`.slice(0, UTS_LIMIT);
  const time = new Date(buildDate * 1000).toISOString().slice(11, 19);
  const entries = {
    UTS_VERSION: version,
    LINUX_COMPILE_TIME: time,
    LINUX_COMPILE_BY: BUILDER,
    LINUX_COMPILE_HOST: BUILDER,
    LINUX_COMPILE_DOMAIN: '',
    LINUX_COMPILER: compilerVersion,
  };
  return Object.entries(entries)
    .map(([name, value]) => `#define ${name} ${JSON.stringify(value)}\n`)
    .join('');
}

/** As date(1) prints it in the C locale: `Mon Aug 25 00:00:00 UTC 2003`. */
export function unixDate(seconds: number): string {
  const [, day = '', dayOfMonth = '', month = '', year = '', time = ''] =
    /^(\w+), (\d+) (\w+) (\d+) ([\d:]+) GMT$/.exec(new Date(seconds * 1000).toUTCString()) ?? [];
  return `${day} ${month} ${String(Number(dayOfMonth)).padStart(2)} ${time} UTC ${year}`;
}
