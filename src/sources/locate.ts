import { basename, join, posix, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where a source's URL leads. */
export type Location =
  | { readonly kind: 'http'; readonly url: string; readonly fileName: string }
  | { readonly kind: 'file'; readonly path: string; readonly fileName: string }
  | { readonly kind: 'git'; readonly url: string; readonly ref: string; readonly fileName: string }
  | { readonly kind: 'unknown'; readonly url: string; readonly fileName: string; readonly reason: string };

/** Reads a URL or path of a recipe; `file:relative` and bare paths start at `baseDirectory`. Never throws. */
export function locate(url: string, baseDirectory: string): Location {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) return atPath(resolve(baseDirectory, url));
  if (scheme === 'file' && !/^file:\//i.test(url)) {
    return atPath(resolve(baseDirectory, url.slice('file:'.length)));
  }
  if (scheme?.startsWith('git+') === true) return atRef(url);
  if (!URL.canParse(url)) return { kind: 'unknown', url, fileName: '', reason: 'is not a valid URL' };
  const parsed = new URL(url);
  if (scheme === 'file') {
    if (parsed.host !== '') return unknown(url, `names the host ${parsed.host}; file: URLs are local`);
    return atPath(fileURLToPath(parsed));
  }
  if (scheme !== 'http' && scheme !== 'https') {
    return unknown(url, `${scheme}: can't be fetched; use http, https, file: or a path`);
  }
  return { kind: 'http', url: parsed.href, fileName: fileNameOf(parsed.pathname) };
}

/** The paths at which a mirror directory may hold one of these locations, each once. */
export function pathsInMirror(mirror: string, locations: readonly Location[]): string[] {
  const names = new Set(locations.map((location) => location.fileName).filter((name) => name !== ''));
  return [...names].map((name) => join(resolve(mirror), name));
}

/** The release file's name at a URL or path: what mirrors are searched for and locks name. */
export function sourceFileName(url: string): string {
  return locate(url, '/').fileName;
}

/** `git+https://host/linux.git#v2.4.22`: a repository, and the tag, branch or commit that is meant. */
function atRef(url: string): Location {
  const [, remote = '', ref] = /^git\+([^#]+)(?:#(.*))?$/i.exec(url) ?? [];
  if (ref === undefined || ref === '')
    return unknown(url, 'names no tag, branch or commit: put #REF behind it');
  // It becomes an argument of git's and a part of a file name.
  if (!/^[\w][\w./+-]*$/.test(ref) || ref.includes('..'))
    return unknown(url, `${ref} is no name of a tag, branch or commit`);
  if (!/^(https?|ssh|file):\/\//i.test(remote))
    return unknown(url, 'git+https:, git+http:, git+ssh: and git+file: are what can be fetched');
  const repository = fileNameOf(remote).replace(/\.git$/, '');
  return { kind: 'git', url: remote, ref, fileName: `${repository}-${ref.replaceAll('/', '-')}.tar` };
}

function atPath(path: string): Location {
  return { kind: 'file', path, fileName: basename(path) };
}

function unknown(url: string, reason: string): Location {
  return { kind: 'unknown', url, fileName: fileNameOf(url.replace(/[?#].*$/, '')), reason };
}

/** The last part of a URL's path, decoded; nothing that could name another directory. */
function fileNameOf(pathname: string): string {
  const last = posix.basename(pathname);
  let name = last;
  try {
    name = decodeURIComponent(last);
  } catch {
    // A stray % is part of the name then.
  }
  return name === '.' || name === '..' || /[/\0]/.test(name) ? '' : name;
}
