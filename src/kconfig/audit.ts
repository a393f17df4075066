import { parseDotConfig, sameValue } from './dotconfig.ts';
import type { Requested } from './fragment.ts';

/**
 * | status | means |
 * | --- | --- |
 * | ok | the final `.config` has what was asked for (an option that the tree doesn't have is off, as n asks) |
 * | dropped | asked for, but n or missing in the end |
 * | changed | there, with another value |
 * | overridden | a later fragment said `override:` and asked for something else |
 * | unknown | no Config.in of this tree defines the symbol |
 */
export type AuditStatus = 'ok' | 'dropped' | 'changed' | 'overridden' | 'unknown';

export interface AuditEntry {
  readonly symbol: string;
  readonly want: string;
  /** As in the final `.config`; `n` for `is not set`; null where the symbol is not mentioned. */
  readonly got: string | null;
  readonly fragment: string;
  readonly line: number;
  readonly status: AuditStatus;
  /** A clause such as `dep_bool at drivers/block/Config.in:41 needs ...`; empty where there is nothing to say. */
  readonly why: string;
}

export interface AuditReport {
  readonly requested: readonly AuditEntry[];
  /** True when every entry is `ok`, or `overridden` on purpose. */
  readonly ok: boolean;
}

/** Says why a request did not come through; undefined when there is nothing to say. */
export type Explain = (request: Requested, got: string | null) => string | undefined;

/**
 * Holds what was asked for against what a final `.config` says.
 * @param known every symbol that the tree's Config.in files define; without it nothing is `unknown`, and a
 *   symbol that is not there is `dropped`.
 * @param explain the reason, where the caller has the tree's own rules at hand.
 */
export function auditConfig(
  requested: readonly Requested[],
  finalConfigText: string,
  known?: ReadonlySet<string>,
  explain?: Explain,
): AuditReport {
  const values = parseDotConfig(finalConfigText);
  const last = new Map(requested.map((request) => [request.symbol, request]));
  const entries = requested.map((request): AuditEntry => {
    const { symbol, want, fragment, line } = request;
    const got = values.get(symbol) ?? null;
    const winner = last.get(symbol) ?? request;
    const status = judge(request, winner, got, known);
    const why =
      status === 'ok'
        ? remark(symbol, known)
        : (reason(request, winner, status) ?? explain?.(request, got) ?? plain(got));
    return { symbol, want, got, fragment, line, status, why };
  });
  return {
    requested: entries,
    ok: entries.every(({ status }) => status === 'ok' || status === 'overridden'),
  };
}

/** `kconfig/a.config:7: CONFIG_X asked y, got n (dropped): why`. */
export function describeEntry(entry: AuditEntry): string {
  const { symbol, want, got, fragment, line, status, why } = entry;
  return `${fragment}:${line}: ${symbol} asked ${want}, got ${got ?? 'nothing'} (${status})${why === '' ? '' : `: ${why}`}`;
}

function judge(
  request: Requested,
  winner: Requested,
  got: string | null,
  known: ReadonlySet<string> | undefined,
): AuditStatus {
  if (sameValue(request.want, got ?? undefined)) return 'ok';
  if (known !== undefined && !known.has(request.symbol)) return 'unknown';
  if (winner !== request && winner.override && !sameValue(winner.want, request.want)) return 'overridden';
  return got === null || got === 'n' ? 'dropped' : 'changed';
}

/** What asks for n of a symbol that is not there gets it; but it may be a slip of the pen. */
function remark(symbol: string, known: ReadonlySet<string> | undefined): string {
  return known === undefined || known.has(symbol) ? '' : 'this tree has no such option';
}

function reason(request: Requested, winner: Requested, status: AuditStatus): string | undefined {
  if (status === 'unknown' || sameValue(winner.want, request.want)) return undefined;
  return `${winner.fragment}:${winner.line} asks for ${winner.want} later`;
}

function plain(got: string | null): string {
  return got === null ? "the tree's configuration does not mention it" : 'something it depends on is not met';
}
