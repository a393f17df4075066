import { z } from 'zod';

/**
 * The recipe's shape: the one place that says what a recipe may hold. The JSON Schema that editors use
 * (`kiln show --schema`), the checks at load time and the types come from here.
 */

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a name of letters, digits, ".", "_" and "-"')
  .max(64);

const hex = (length: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${length}}$`), `${length} lower-case hexadecimal digits`);

const symbol = z.string().regex(/^CONFIG_[A-Za-z0-9_]+$/, 'a configuration symbol, e.g. CONFIG_8139TOO');

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

const source = z.strictObject({ ...sourceFields, member: member.optional() });

/** True for a regular expression with a group: what the group matches is the version. */
function hasGroup(pattern: string): boolean {
  try {
    return (new RegExp(`${pattern}|`).exec('')?.length ?? 0) > 1;
  } catch {
    return false;
  }
}

const watch = z
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

const patch = z.strictObject({
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
  watch: watch.optional(),
});

const optionValue = z.union([z.string(), z.number(), z.boolean()]).describe('y, m, n, a number, or a string');

const options = z
  .record(symbol, optionValue)
  .describe('Options by symbol: y, m, n, a number, or a string; they come after every fragment');

const config = z.strictObject({
  base: z
    .string()
    .default('arch')
    .describe("`arch` (the architecture's defconfig), `none` (nothing set), or a .config file"),
  prefer: z
    .string()
    .min(1)
    .optional()
    .describe(
      "A .config file that takes base's place where it is there: relative to the recipe, else by its name in a mirror",
    ),
  fragments: z
    .array(z.string().min(1))
    .default([])
    .describe('Names under kconfig/ or files beside the recipe'),
  options: options.default({}),
  accept: z
    .array(symbol)
    .default([])
    .describe('Symbols whose request may stay unfulfilled without failing the build'),
});

const model = z.string().min(1);
const nic = z
  .union([
    model,
    z
      .array(model)
      .min(1, 'name a card, or leave nic out')
      .refine((all) => new Set(all).size === all.length, 'no card twice'),
  ])
  .describe('Network card of the boot gate: a QEMU model, e.g. rtl8139; of several the gate boots each');

const boot = z.strictObject({
  cmdline: z.string().optional().describe('Kernel command line of the boot configurations'),
  nic: nic.optional(),
  expect: z
    .array(z.string().min(1))
    .optional()
    .describe(
      'What the console must show for the boot gate to pass; {release}, {id}, {initrd.size} and {initrd.sha256} are filled in. Between slashes: a regular expression',
    ),
  memory: z.int().min(8).max(2048).optional().describe("The gate's machine: MiB of memory"),
  timeout: z.int().min(1).max(3600).optional().describe('Seconds before the gate gives up'),
});

const foreignKit = z
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

const initrd = z.strictObject({
  kit: kit.default('builtin'),
  format: format.default('ext2'),
  size: size.default('auto'),
  inodes: inodes.default('auto'),
});

const image = z
  .enum(['pxe', 'ipxe', 'nbi', 'floppy', 'iso'])
  .describe(
    'PXELINUX and iPXE configurations; an image for Etherboot; media for machines that boot no network',
  );
const nbi = z.strictObject({
  layout: z
    .enum(['mknbi', 'linear'])
    .default('mknbi')
    .describe(
      'Where things go in memory: as mknbi, or as wraplinux for kernels whose setup is too long for it',
    ),
});
const floppy = z.strictObject({
  size: z
    .union([z.literal('auto'), z.literal(1440), z.literal(2880)])
    .default('auto')
    .describe('KiB of the disk; auto: the smaller that holds everything'),
});
const gate = z.enum(['audit', 'verify', 'boot']);

const variant = z.strictObject({
  description: z.string().optional(),
  fragments: z.array(z.string().min(1)).default([]),
  options: options.default({}),
  boot: boot.optional(),
  initrd: z
    .strictObject({
      kit: kit.optional(),
      format: format.optional(),
      size: size.optional(),
      inodes: inodes.optional(),
    })
    .optional(),
});

const orNothing = variant.nullable().transform((value) => value ?? variant.parse({}));

/** Variants by name. */
export const variantMapSchema = z
  .record(name, orNothing)
  .refine((all) => Object.keys(all).length > 0, 'at least one variant');

/** Variants as a list. */
export const variantListSchema = z.array(variant.extend({ name })).min(1);

const value = z.union([z.string(), z.number().transform(String)]);
const chosen = z.record(
  name,
  z
    .union([value.transform((one) => [one]), z.array(value).min(1)])
    .describe('One value of the axis, or several'),
);

/** Variants as the points of axes, e.g. network card x processor x initrd. */
export const axesSchema = z.strictObject({
  axes: z
    .record(
      name,
      z.record(name, orNothing).refine((all) => Object.keys(all).length > 0, 'at least one value'),
    )
    .refine((all) => Object.keys(all).length > 0, 'at least one axis')
    .describe('By axis: its values, each with what it brings to a variant'),
  include: z
    .array(variant.extend({ name: name.optional(), when: chosen.optional() }))
    .default([])
    .describe('Adds to the points of some values (when), or adds a variant (name)'),
  exclude: z.array(chosen).default([]).describe('Points that there shall not be'),
});

const recipeFields = {
  name,
  description: z.string().optional(),
  directory: z
    .string()
    .optional()
    .describe("Where the recipe's relative paths start; by default the directory that it is in"),
  kernel: z.strictObject({
    version: z
      .string()
      .regex(/^\d+\.\d+\.\d+(\.\d+)?(-[A-Za-z0-9.]+)?$/, 'a kernel version, e.g. 2.4.22')
      .describe('As the tree calls itself: VERSION.PATCHLEVEL.SUBLEVEL with its own EXTRAVERSION'),
    arch: z.enum(['i386']).default('i386'),
    source,
    watch: watch.optional(),
  }),
  extraversion: z
    .string()
    .regex(/^[-.+A-Za-z0-9_]*$/, 'letters, digits, "-", ".", "+" and "_"')
    .default('')
    .describe('Appended to the version, e.g. -om2'),
  release: z
    .enum(['unique', 'pinned'])
    .default('unique')
    .describe(
      'unique: the release (uname -r) carries the short key of its inputs, so that kernel and modules cannot be mixed up; pinned: <version><extraversion> alone',
    ),
  series: z
    .array(z.string().min(1))
    .default([])
    .describe('quilt series files beside the recipe; what they list comes before `patches`'),
  patches: z.array(patch).default([]),
  config: config.prefault({}),
  toolchain: z
    .strictObject({
      compiler: z
        .string()
        .min(1)
        .default('gcc')
        .describe('The C compiler: a command or a path, as seen where the toolchain is'),
      chroot: z
        .string()
        .min(1)
        .optional()
        .describe(
          'The root of another system whose tools build, e.g. by debootstrap; relative to the recipe',
        ),
      container: z
        .string()
        .min(1)
        .optional()
        .describe('An image of podman or docker whose tools build; it has to be there, nothing is pulled'),
      compat: z
        .enum(['auto', 'off'])
        .default('auto')
        .describe("Whether Kiln's compat rules for today's compilers are applied to the tree"),
    })
    .refine(
      ({ chroot, container }) => chroot === undefined || container === undefined,
      'either chroot or container',
    )
    .prefault({}),
  initrd: initrd.prefault({}),
  images: z.array(image).default(['pxe', 'ipxe']),
  nbi: nbi.prefault({}),
  floppy: floppy.prefault({}),
  boot: boot.default({}),
  gates: z.array(gate).default(['audit', 'verify', 'boot']),
  watch: z
    .strictObject({
      policy: z
        .enum(WATCH_POLICIES)
        .optional()
        .describe(
          'notify: say so; build; testing: build and publish to `channel`; publish: as kiln build does',
        ),
      channel: z
        .string()
        .optional()
        .describe(
          "Channel of the policy testing, {variant} filled in; by default testing/ before the recipe's",
        ),
    })
    .optional()
    .describe('What kiln watch does about a newer patch or an edited file'),
  channel: z
    .string()
    .regex(
      /^(?!bundles(\/|$))[A-Za-z0-9{][A-Za-z0-9._{}-]*(\/[A-Za-z0-9{][A-Za-z0-9._{}-]*)*$/,
      'a path below the TFTP root, not under bundles/, e.g. lts/openmosix-{variant}',
    )
    .describe('Name of the symlink that nodes boot from; {variant} and {recipe} are filled in'),
};

/**
 * The schema for a recipe that writes its variants in one of the three ways: so that faults are those of the way that
 * was meant.
 */
export function schemaFor(recipe: unknown) {
  const written: unknown =
    typeof recipe === 'object' && recipe !== null && 'variants' in recipe ? recipe.variants : undefined;
  if (Array.isArray(written)) return z.strictObject({ ...recipeFields, variants: variantListSchema });
  const hasAxes = typeof written === 'object' && written !== null && 'axes' in written;
  if (hasAxes) return z.strictObject({ ...recipeFields, variants: axesSchema });
  return z.strictObject({ ...recipeFields, variants: variantMapSchema });
}

const recipeSchema = z.strictObject({
  ...recipeFields,
  variants: z
    .union([variantMapSchema, variantListSchema, axesSchema])
    .describe('By name, as a list, or as axes whose points they are'),
});

/** What a variant says for itself. */
export type VariantSpec = z.output<typeof variant>;

/** A recipe with its variants by name, however they were written. */
export type Recipe = Omit<z.output<typeof recipeSchema>, 'variants'> & {
  readonly variants: Readonly<Record<string, VariantSpec>>;
};
export type RecipePatch = Recipe['patches'][number];
export type ForeignKit = z.output<typeof foreignKit>;
export type WatchRule = z.output<typeof watch>;
export type WatchPolicy = (typeof WATCH_POLICIES)[number];
export type RecipeSource = Recipe['kernel']['source'];
export type BootOptions = Recipe['boot'];

/** The recipe's JSON Schema (draft 2020-12), for editors and other tools. */
export function recipeJsonSchema(): unknown {
  return z.toJSONSchema(recipeSchema, { io: 'input', unrepresentable: 'any' });
}
