import { findNic } from '../boot/index.ts';
import type { FileRecord } from '../bundle/index.ts';
import { bootConfigs, type Initrd } from '../initrd/index.ts';
import { RELEASE_LIMIT } from '../kernel/index.ts';
import { KilnError } from '../platform/errors.ts';
import type { Variant } from '../recipe/variants.ts';
import type { VariantKeys } from './plan.ts';
import type { LoadedRecipe } from './recipes.ts';

const DEFAULT_COMMAND_LINE = 'console=tty0 console=ttyS0,115200 root=/dev/ram0 rw ip=dhcp';
/** The card of recipes that name none. */
export const DEFAULT_NIC = 'rtl8139';

/** Linux 2.4 makes RAM disks of this many KiB unless the command line says otherwise (CONFIG_BLK_DEV_RAM_SIZE). */
const DEFAULT_RAMDISK_KIB = 4096;

/** The kernel's command line: the recipe's, and the RAM disk's size where the default would be too small. */
export function commandLine(variant: Variant, initrd: Pick<Initrd, 'format' | 'sizeKiB'>): string {
  const given = variant.boot.cmdline ?? DEFAULT_COMMAND_LINE;
  // What is unpacked into the page cache needs no RAM disk.
  if (initrd.format === 'cpio' || initrd.sizeKiB <= DEFAULT_RAMDISK_KIB || /(^| )ramdisk_size=/.test(given))
    return given;
  return `${given} ramdisk_size=${initrd.sizeKiB}`;
}

/**
 * Whether what nodes are booted with can be at all: told before the minutes that a kernel takes.
 * @throws KilnError `invalid` with the place in the recipe, for a command line that a loader would change or the kernel cut,
 *   and for a release that is too long
 */
export function requireBootable(recipe: LoadedRecipe, variant: Variant, { id, release }: VariantKeys): void {
  if (release.length > RELEASE_LIMIT) {
    throw new KilnError(
      'invalid',
      `the release ${release} has ${release.length} characters; Linux takes ${RELEASE_LIMIT}`,
      { place: recipe.placeOf(['extraversion']), hint: 'shorten extraversion' },
    );
  }
  const { format, size } = variant.initrd;
  const files = { kernel: 'vmlinuz', initrd: 'initrd.gz' };
  const cmdline = commandLine(variant, { format, sizeKiB: size === 'auto' ? 0 : size });
  atSetting(recipe, variant, 'cmdline', () => bootConfigs({ id, files, cmdline, label: variant.fullName }));
}

/** QEMU's models of the network cards that the variant is for, as the recipe has them: one, or several. */
export function networkCards(variant: Variant): string | readonly string[] {
  return variant.boot.nic ?? DEFAULT_NIC;
}

/**
 * Whether QEMU has every card that the boot gate is to boot a variant on.
 * @throws KilnError `invalid` with the place in the recipe
 */
export function requireCards(recipe: LoadedRecipe, variant: Variant): void {
  for (const nic of [networkCards(variant)].flat()) {
    atSetting(recipe, variant, 'nic', () => findNic(nic));
  }
}

/** Gives what `check` throws the place of one of a variant's `boot` settings. */
function atSetting(
  recipe: LoadedRecipe,
  variant: Variant,
  setting: 'cmdline' | 'nic',
  check: () => unknown,
): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof KilnError)) throw error;
    const part = recipe.matrix.get(variant.name)?.findLast(({ spec }) => spec.boot?.[setting] !== undefined);
    throw new KilnError('invalid', error.message, {
      place: recipe.placeOf([...(part?.path ?? []), 'boot', setting]),
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      cause: error,
    });
  }
}

/**
 * What the recipe says the console must show (nothing: the line of Kiln's init), with {release}, {id},
 * {initrd.size} and {initrd.sha256} filled in; text between slashes is the source of a regular expression,
 * and what is filled in there is taken literally.
 */
export function expectations(variant: Variant, keys: VariantKeys, initrd: FileRecord | undefined): string[] {
  const values: Readonly<Record<string, string>> = {
    release: keys.release,
    id: keys.id,
    'initrd.size': String(initrd?.size ?? 0),
    'initrd.sha256': initrd?.sha256 ?? '',
  };
  return (variant.boot.expect ?? []).map((text) => {
    const isPattern = patternOf(text) !== undefined;
    return text.replace(/\{([a-z0-9.]+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (value === undefined) return whole;
      return isPattern ? value.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') : value;
    });
  });
}

/** The regular expression's source when a text stands between slashes. */
export function patternOf(text: string): string | undefined {
  return /^\/(.+)\/$/.exec(text)?.[1];
}
