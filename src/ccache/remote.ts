import { KilnError } from '../platform/errors.ts';

/** One of ccache's remote storages, as its manual has them: `URL`, and attributes, each behind a `|`. */
export interface Remote {
  readonly url: string;
  /** `read-only`, `layout=flat` */
  readonly attributes: readonly string[];
}

/** What ccache sees to itself, whoever carries its results. */
const CCACHES_OWN = /^(read-only|connect-timeout=|operation-timeout=)/;

/**
 * Reads ccache's list of remote storages (ccache(1), "Remote storage backends"): URLs, separated by blanks.
 * @param from what it was given by, for the error
 * @throws KilnError `usage` for what is no URL
 */
export function parseRemotes(text: string, from: string): Remote[] {
  return text
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => {
      const [url = '', ...attributes] = word.split('|');
      if (!isStorage({ url, attributes })) {
        throw new KilnError('usage', `${from}: ${JSON.stringify(url)} is no storage of ccache's`, {
          hint: 'e.g. file:/srv/ccache, redis://HOST:6379, redis+unix:/run/redis.sock, http://HOST/cache',
        });
      }
      return { url, attributes };
    });
}

function isStorage(remote: Remote): boolean {
  if (/^(file|redis\+unix):/.test(remote.url)) return localPath(remote) !== undefined;
  if (/^(https?|redis):/.test(remote.url)) return URL.canParse(remote.url);
  // ccache may come to know others.
  return /^[a-z][a-z0-9+.-]*:./.test(remote.url);
}

/** Where a storage is that needs no network: a directory (`file:`), a socket (`redis+unix:`). */
export function localPath({ url }: Remote): string | undefined {
  return /^(?:file|redis\+unix):(?:\/\/[^/]*)?(\/[^?]+)/.exec(url)?.[1];
}

/** A storage as ccache takes it. */
export function formatRemote({ url, attributes }: Remote): string {
  return [url, ...attributes].join('|');
}

/** The attributes that ccache still has to hear of where another program speaks to the storage. */
export function attributesForCcache({ attributes }: Remote): string[] {
  return attributes.filter((attribute) => CCACHES_OWN.test(attribute));
}

/** The value of an attribute: `bearer-token=x`. */
export function attribute({ attributes }: Remote, name: string): string | undefined {
  return attributes.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** Whether Kiln can speak to it in ccache's place; if not, why. */
export function relayFault(remote: Remote): string | undefined {
  if (!/^(redis|http):/.test(remote.url)) return 'steps in the sandbox reach file:, redis: and http: alone';
  const strange = remote.attributes.find(
    (each) => !CCACHES_OWN.test(each) && !/^(keep-alive|layout|bearer-token)=/.test(each),
  );
  if (strange !== undefined) return `steps in the sandbox do without ${strange.replace(/=.*/, '')}`;
  const layout = attribute(remote, 'layout') ?? 'subdirs';
  return ['subdirs', 'flat', 'bazel'].includes(layout) ? undefined : `there is no layout ${layout}`;
}
