import { KilnError } from '../platform/errors.ts';
import { checkChannelName } from '../publish/index.ts';
import type { Variant } from '../recipe/variants.ts';
import type { Chosen } from './recipes.ts';

/**
 * The channel that a variant is published to.
 * @param given another than the recipe's; {variant} and {recipe} are filled in
 */
export function channelFor(given: string | undefined, variant: Variant): string {
  if (given === undefined) return variant.channel;
  return given.replaceAll('{variant}', variant.name).replaceAll('{recipe}', variant.recipe.name);
}

/** How what is built is to be published. */
export interface Target {
  readonly publish: boolean;
  readonly channel?: string | undefined;
}

/**
 * Refuses what would leave it to chance which of two variants nodes boot: one channel for both, be it in one recipe
 * or in two that are built together.
 * @throws KilnError `usage`; also for a channel that can't be one, or that nothing would be published to
 */
export function checkTargets(chosen: readonly Chosen[], { publish, channel }: Target): void {
  if (!publish) {
    if (channel === undefined) return;
    throw new KilnError('usage', '--channel and --no-publish contradict each other', {
      hint: 'leave one out',
    });
  }
  const seen = new Map<string, string>();
  for (const { recipe, variants } of chosen) {
    for (const variant of variants) {
      const name = channelFor(channel, variant);
      checkChannelName(name);
      const called = `${variant.fullName} (${recipe.file})`;
      const other = seen.get(name);
      if (other !== undefined) throw sharedChannel(name, other, called, channel);
      seen.set(name, called);
    }
  }
  for (const [name, called] of seen) {
    for (let end = name.lastIndexOf('/'); end > 0; end = name.lastIndexOf('/', end - 1)) {
      const above = name.slice(0, end);
      const other = seen.get(above);
      if (other !== undefined) throw channelBelow(name, called, above, other);
    }
  }
}

function channelBelow(name: string, one: string, above: string, other: string): KilnError {
  return new KilnError(
    'usage',
    `channel ${name} of ${one} would be below ${above}, the channel of ${other}`,
    {
      hint: 'a channel is a symlink, and nothing can be below one: give one of them another channel',
    },
  );
}

function sharedChannel(name: string, one: string, other: string, given: string | undefined): KilnError {
  const asked = given === undefined ? `channel ${name}` : `--channel ${given}`;
  return new KilnError('usage', `${asked}: ${one} and ${other} would both go there`, {
    hint:
      given === undefined
        ? 'give one of the recipes another channel, or build them one after the other'
        : 'put {variant} into it, or {recipe}-{variant}, or name one variant',
  });
}
