import { notFound } from '../problem.ts';

/** What was found of a channel. @throws HttpError 404 for one that there is not */
export function knownChannel<T>(channel: string, found: T | undefined): T {
  if (found === undefined) throw notFound(`there is no channel ${channel}`);
  return found;
}
