import { z } from 'zod';
import { watchRule } from './watch.ts';
import { hex, name } from './words.ts';

const sourceFields = {
  urls: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'Where the file is: http(s) and file URLs, paths (relative to the recipe; of a kernel, a directory too), and git+https://...#REF, tried in order',
    ),
  size: z.int().positive().optional().describe('Size in bytes'),
  sha256: hex(64).optional(),
  sha1: hex(40).optional().describe('As upstream published it; accepted beside a lock'),
  md5: hex(32).optional().describe('As upstream published it; accepted beside a lock'),
};

const member = z
  .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
  .describe(
    'The name inside a tar or an RPM, or names through archives in one another, outermost first; it may be packed itself',
  );

/** A file from outside: where it is and what it must be. */
export const source = z.strictObject({ ...sourceFields, member: member.optional() });

/** A source that is a patch, and how it is applied. */
export const patch = z.strictObject({
  name,
  ...sourceFields,
  member: member.optional(),
  strip: z
    .union([z.literal('auto'), z.int().min(0).max(9)])
    .default(1)
    .describe('Leading path components to drop, as patch -pN; auto: found by trying'),
  fuzz: z
    .int()
    .min(0)
    .max(3)
    .default(0)
    .describe(
      "Context lines that may fail to match at a hunk's ends (GNU patch's meaning); each is reported",
    ),
  after: z.array(name).default([]).describe('Patches that must come before this one'),
  last: z
    .boolean()
    .default(false)
    .describe('Comes behind all that are not `last` themselves, as openMosix must'),
  conflicts: z.array(name).default([]).describe('Patches that can not be in the same recipe'),
  watch: watchRule.optional(),
});
