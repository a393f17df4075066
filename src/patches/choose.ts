/**
 * Chooses among the places where hunks fit: the pure heart of placement, free of bytes.
 *
 * Between the file that a patch was made for and the file at hand, lines were added and removed; each such
 * spot shifts all that follows. The fewer shifts an arrangement needs, the better it fits: the stated lines
 * need none, carrying an earlier hunk's offset along needs no new one. An arrangement is the place of every
 * hunk, in order and without overlap. Where the best arrangements differ in a hunk's place, that hunk fits
 * equally well in two places, and nothing in the patch decides.
 *
 * The fewest shifts are likely, not certain. In a file that did shift, a hunk with several places is therefore
 * only believed where hunks with one place vouch for it: the nearest of them on either side (in front of the
 * first one the start of the file, behind the last one nothing) must have moved by just as much.
 */

/** Where one hunk may go. */
export interface Choice {
  /** 0-based line it is stated at. */
  readonly stated: number;
  /** How many lines it takes up in the file as it was found. */
  readonly length: number;
  /** 0-based lines where it fits, ascending. */
  readonly lines: readonly number[];
  /**
   * What its context is worth where it fits in several places: nothing without context; too little to be
   * carried along with other hunks when there are fewer than the customary three lines of it.
   */
  readonly context: 'none' | 'little' | 'full';
}

/** For each choice the lines that the best arrangements give it: one line when it is decided, none when none fits. */
export function choosePlaces(choices: readonly Choice[]): readonly (readonly number[])[] {
  const order = choices.map((_, index) => index).filter((index) => (choices[index]?.lines.length ?? 0) > 0);
  const chain = order.map((index) => choices[index] as Choice);
  const result: (readonly number[])[] = choices.map(() => []);
  const dropped = new Set<number>();
  for (;;) {
    const kept = chain.filter((_, at) => !dropped.has(at));
    const best = arrange(kept);
    if (best.failedAt === undefined) {
      let at = 0;
      chain.forEach((_, index) => {
        const target = order[index];
        if (target !== undefined && !dropped.has(index)) result[target] = best.lines[at++] ?? [];
      });
      return result;
    }
    // A hunk that fits only in front of, or inside, an earlier one has no place.
    const remaining = chain.map((_, at) => at).filter((at) => !dropped.has(at));
    dropped.add(remaining[best.failedAt] ?? 0);
  }
}

interface Arrangement {
  readonly lines: readonly (readonly number[])[];
  /** First choice that no arrangement can hold. */
  readonly failedAt?: number;
}

/** Dynamic programming from both ends: the least number of shifts with each hunk in each of its places. */
function arrange(chain: readonly Choice[]): Arrangement {
  const forward: number[][] = [];
  for (const [at, choice] of chain.entries()) {
    const costs = step(chain[at - 1], forward[at - 1], choice);
    if (costs.every((cost) => cost === Number.POSITIVE_INFINITY)) return { lines: [], failedAt: at };
    forward.push(costs);
  }
  const backward: number[][] = chain.map(() => []);
  for (let at = chain.length - 1; at >= 0; at--) {
    const choice = chain[at] as Choice;
    backward[at] = stepBack(chain[at + 1], backward[at + 1], choice);
  }
  const places = chain.map((choice, at) => weigh(choice, forward[at] ?? [], backward[at] ?? []));
  const shifted = places.some(({ choice, best }) => best[0] !== choice.stated);
  return {
    lines: places.map((place, at) => (isBelieved(places, at, shifted) ? place.best : place.possible)),
  };
}

/** A choice with all lines that some arrangement gives it, and those that the best arrangements do. */
interface Weighed {
  readonly choice: Choice;
  readonly possible: readonly number[];
  readonly best: readonly number[];
}

function weigh(choice: Choice, forward: readonly number[], backward: readonly number[]): Weighed {
  const totals = choice.lines.map((_, at) => (forward[at] ?? 0) + (backward[at] ?? 0));
  const least = Math.min(...totals);
  return {
    choice,
    possible: choice.lines.filter((_, at) => totals[at] !== Number.POSITIVE_INFINITY),
    best: choice.lines.filter((_, at) => totals[at] === least),
  };
}

/** Whether the best place of one of several can be told from the others. */
function isBelieved(places: readonly Weighed[], at: number, shifted: boolean): boolean {
  const { choice, possible, best } = places[at] as Weighed;
  if (possible.length === 1 || best.length > 1) return true;
  if (choice.context === 'none') return false;
  if (!shifted) return true;
  if (choice.context === 'little') return false;
  const moved = (place: Weighed) => (place.possible[0] as number) - place.choice.stated;
  const vouches = (place: Weighed) => place.possible.length === 1;
  const before = places.slice(0, at).findLast(vouches);
  const behind = places.slice(at + 1).find(vouches);
  const offset = (best[0] as number) - choice.stated;
  return (
    offset === (before === undefined ? 0 : moved(before)) && offset === (behind ? moved(behind) : offset)
  );
}

/** Shifts needed up to and with `choice`, for each of its lines. */
function step(before: Choice | undefined, costs: readonly number[] | undefined, choice: Choice): number[] {
  if (before === undefined || costs === undefined) {
    return choice.lines.map((line) => (line === choice.stated ? 0 : 1));
  }
  const byOffset = new Map<number, number>();
  let least = Number.POSITIVE_INFINITY;
  let taken = 0;
  return choice.lines.map((line) => {
    for (; taken < before.lines.length; taken++) {
      const start = before.lines[taken] as number;
      if (start + before.length > line) break;
      const cost = costs[taken] as number;
      least = Math.min(least, cost);
      const offset = start - before.stated;
      byOffset.set(offset, Math.min(cost, byOffset.get(offset) ?? Number.POSITIVE_INFINITY));
    }
    return Math.min(byOffset.get(line - choice.stated) ?? Number.POSITIVE_INFINITY, least + 1);
  });
}

/** Shifts needed behind `choice`, for each of its lines. */
function stepBack(after: Choice | undefined, costs: readonly number[] | undefined, choice: Choice): number[] {
  if (after === undefined || costs === undefined) return choice.lines.map(() => 0);
  const result = new Array<number>(choice.lines.length).fill(Number.POSITIVE_INFINITY);
  const byOffset = new Map<number, number>();
  let least = Number.POSITIVE_INFINITY;
  let next = after.lines.length - 1;
  for (let at = choice.lines.length - 1; at >= 0; at--) {
    const line = choice.lines[at] as number;
    for (; next >= 0 && (after.lines[next] as number) >= line + choice.length; next--) {
      const cost = costs[next] as number;
      least = Math.min(least, cost);
      const offset = (after.lines[next] as number) - after.stated;
      byOffset.set(offset, Math.min(cost, byOffset.get(offset) ?? Number.POSITIVE_INFINITY));
    }
    result[at] = Math.min(byOffset.get(line - choice.stated) ?? Number.POSITIVE_INFINITY, least + 1);
  }
  return result;
}
