import type { WatchRule } from '../recipe/schema.ts';
import { sourceFileName } from '../sources/index.ts';
import type { Listed } from './listing.ts';
import { compareVersions, isPrerelease } from './version.ts';

/** A listed name that a rule takes for a version. */
export interface Candidate extends Listed {
  readonly version: string;
}

/** The names that a rule's `match` takes, each with its version. */
export function candidatesOf(listed: readonly Listed[], rule: WatchRule): Candidate[] {
  const whole = new RegExp(`^(?:${rule.match ?? ''})$`);
  return listed.flatMap((one) => {
    const version = versionIn(whole.exec(one.name));
    return version === undefined ? [] : [{ ...one, version }];
  });
}

function versionIn(found: RegExpExecArray | null): string | undefined {
  return found?.slice(1).find((group) => group !== undefined && group !== '');
}

/** What a rule finds in the URLs of a source as it is: the name that a newer one takes the place of. */
export interface Current {
  readonly name: string;
  readonly version: string;
}

/** The version that a source is at; undefined where its URLs have nothing that the rule matches. */
export function currentOf(urls: readonly string[], rule: WatchRule): Current | undefined {
  const whole = new RegExp(`^(?:${rule.match ?? ''})$`);
  for (const url of urls) {
    const name = sourceFileName(url);
    const version = versionIn(whole.exec(name));
    if (version !== undefined) return { name, version };
  }
  const anywhere = new RegExp(rule.match ?? '');
  for (const url of urls) {
    for (const part of url.split(/[/#]/)) {
      // A tag stands there with the ending of the archive that is made of it.
      const found = anywhere.exec(part.replace(/\.(tar(\.\w+)?|t[gbx]z2?|zip)$/, ''));
      const version = versionIn(found);
      if (found !== null && version !== undefined) return { name: found[0], version };
    }
  }
  return undefined;
}

/** The newest candidate that is newer than what there is; one before a release only where such ones are wanted. */
export function newestOf(
  candidates: readonly Candidate[],
  current: string,
  prereleases: boolean,
): Candidate | undefined {
  let newest: Candidate | undefined;
  for (const one of candidates) {
    if (!prereleases && isPrerelease(one.version)) continue;
    if (compareVersions(one.version, newest?.version ?? current) > 0) newest = one;
  }
  return newest;
}

/**
 * Where a newer version is looked for: what the rule's template says; else at the old one's URLs, with the new name in
 * the old one's place (and in directories that are named by the version), and then where the listing says it is.
 */
export function urlsOf(
  urls: readonly string[],
  current: Current,
  candidate: Candidate,
  rule: WatchRule,
): string[] {
  const { name, version, url } = candidate;
  if (rule.url !== undefined) {
    return [rule.url.replaceAll('{file}', name).replaceAll('{version}', version)];
  }
  const derived = urls.flatMap((old) => {
    if (!old.includes(current.name)) return [];
    const parts = old.split('/').map((part) => {
      if (part === current.version) return version;
      return part === `v${current.version}` ? `v${version}` : part.replaceAll(current.name, name);
    });
    return [parts.join('/')];
  });
  // A name such as `download` would be what mirrors and the lock know it by.
  const listed = url !== undefined && sourceFileName(url) === name ? [url] : [];
  return [...new Set([...derived, ...listed])];
}
