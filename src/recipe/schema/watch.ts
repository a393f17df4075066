import { z } from 'zod';

/** True for a regular expression with a group: what the group matches is the version. */
function hasGroup(pattern: string): boolean {
  try {
    return (new RegExp(`${pattern}|`).exec('')?.length ?? 0) > 1;
  } catch {
    return false;
  }
}

/** How a newer patch or kernel is found. */
export const watchRule = z
  .strictObject({
    index: z
      .string()
      .min(1)
      .optional()
      .describe(
        'What lists the versions there are: a web page or JSON by its URL, or a directory by its path',
      ),
    git: z.string().min(1).optional().describe('URL of a repository whose tags are the versions'),
    ref: z.string().min(1).optional().describe('With git: a branch or tag to follow, instead of the tags'),
    match: z
      .string()
      .refine(hasGroup, 'a regular expression with a group for the version')
      .optional()
      .describe(
        'Regular expression for the whole file name (with git: the tag); its first group is the version',
      ),
    url: z
      .string()
      .optional()
      .describe('Where a newer one is, {file} and {version} filled in; by default where the old one is'),
    extraversion: z
      .string()
      .optional()
      .describe("The recipe's extraversion with a newer one, {version} filled in, e.g. -om{version}"),
    prereleases: z.boolean().default(false).describe('Whether rc, pre, beta and their like count'),
    every: z
      .string()
      .regex(/^\d+[mhdw]$/, 'a time, e.g. 12h or 7d')
      .optional()
      .describe('How often it is asked; by default as the setting watch-every says'),
  })
  .refine(({ index, git }) => (index === undefined) !== (git === undefined), 'either index or git')
  .refine(({ ref, git }) => ref === undefined || git !== undefined, 'ref goes with git')
  .refine(({ ref, match }) => (ref === undefined) === (match !== undefined), 'match, or git with a ref')
  .describe('How a newer release is found');

/** What is done about a newer patch or an edited file. */
export const WATCH_POLICIES = ['notify', 'build', 'testing', 'publish'] as const;

/** What a recipe says of being watched. */
export const watchSettings = z.strictObject({
  policy: z
    .enum(WATCH_POLICIES)
    .optional()
    .describe('notify: say so; build; testing: build and publish to `channel`; publish: as kiln build does'),
  channel: z
    .string()
    .optional()
    .describe("Channel of the policy testing, {variant} filled in; by default testing/ before the recipe's"),
});
