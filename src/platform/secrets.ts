/**
 * A text as it may be shown and kept, in logs and bundles too: the user and password of the URLs in it are `***`.
 * Userinfo is what RFC 3986, 3.2.1 has before an `@` and the host; tokens are given there as well, and ccache has them
 * in an attribute behind the URL.
 */
export function withoutPasswords(text: string): string {
  return text
    .replaceAll(/([a-z][a-z0-9+.-]*:\/\/)[^/\s]*@/gi, '$1***@')
    .replaceAll(/(\|bearer-token=)[^|\s]*/g, '$1***');
}

/** A copy of a JSON document, with every text in it as it may be shown. */
export function documentWithoutPasswords<T>(document: T): T {
  return JSON.parse(
    JSON.stringify(document, (_, each: unknown) =>
      typeof each === 'string' ? withoutPasswords(each) : each,
    ),
  ) as T;
}
