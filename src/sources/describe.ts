import type { SourceEvent } from './types.ts';

/** One line for a log: what happened to which source. Pure. */
export function describeSourceEvent(event: SourceEvent): string {
  return `${event.source}: ${words(event)}`;
}

function words(event: SourceEvent): string {
  switch (event.status) {
    case 'looking':
      return `looking at ${event.from}`;
    case 'waiting':
      return `${event.url} is being fetched by ${event.pid === undefined ? 'somebody else' : `process ${event.pid}`}`;
    case 'resumed':
      return `${event.url} goes on at byte ${event.at}`;
    case 'downloading':
      return `${event.received} of ${event.total ?? '?'} bytes of ${event.url}`;
    case 'retrying':
      return `${event.url}: ${event.reason}; try ${event.attempt} in ${(event.afterMs / 1000).toFixed(1)} s`;
    case 'unavailable':
      return `${event.from}: ${event.reason}`;
    case 'damaged':
      return `${event.path}: ${event.reason}`;
    case 'cached':
      return `in the cache, ${event.path}`;
    case 'mirror':
      return `in the mirror, ${event.path}`;
    case 'substituted':
      return `substituted by ${event.path}`;
    case 'verified':
      return `${event.from} is verified: ${event.size} bytes, sha256 ${event.sha256}`;
    case 'unpacking':
      return `unpacking by ${event.decoder}`;
    case 'unpacked':
      return `unpacked by ${event.decoder}, ${event.members} members`;
  }
}
