import { z } from 'zod';
import { hex } from './words.ts';

/** A kit that is not Kiln's own. */
export const foreignKit = z
  .strictObject({
    url: z.string().min(1).optional().describe('A tarball, e.g. of LTSP: http(s) or file URL'),
    path: z.string().min(1).optional().describe('A tarball or a directory, relative to the recipe'),
    size: z.int().positive().optional().describe('Size in bytes'),
    sha256: hex(64).optional(),
    root: z
      .string()
      .regex(/^(?!.*(^|\/)\.\.(\/|$))[^/].*$/, 'a path inside the kit')
      .optional()
      .describe("The directory in it that becomes the initrd's /; by default the one that has a linuxrc"),
  })
  .refine(({ url, path }) => (url === undefined) !== (path === undefined), 'either url or path');

const kit = z
  .union([z.literal('builtin'), foreignKit])
  .describe("The files of the initrd besides modules: `builtin` is Kiln's own");
const autoOr = (what: string) => z.union([z.literal('auto'), z.int().positive()]).describe(what);
const size = autoOr('KiB, as buildk asks; auto: the smallest that fits');
const inodes = autoOr('Count, as buildk asks; auto: as many as there are files');

const format = z
  .enum(['ext2', 'cramfs', 'romfs', 'cpio'])
  .describe(
    'Of the image: ext2 as buildk made it, cramfs or romfs (read-only), cpio (an initramfs, from 2.6 on)',
  );

/** The recipe's initrd, every setting with its default. */
export const initrd = z.strictObject({
  kit: kit.default('builtin'),
  format: format.default('ext2'),
  size: size.default('auto'),
  inodes: inodes.default('auto'),
});

/** What a variant says of its initrd; the rest is as the recipe says. */
export const variantInitrd = z.strictObject({
  kit: kit.optional(),
  format: format.optional(),
  size: size.optional(),
  inodes: inodes.optional(),
});
