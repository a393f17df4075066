import { KilnError } from '../platform/errors.ts';

/** What a recipe asks of an image. */
export interface Limits {
  /** Size of the file system in KiB, or the smallest that fits. */
  readonly sizeKiB: number | 'auto';
  readonly inodes: number | 'auto';
}

/** @throws KilnError `failed` that says what is needed, when what is given is less. */
export function refuseTooSmall(
  needed: { readonly sizeKiB: number; readonly inodes: number },
  given: Limits,
): void {
  const sizeKiB = given.sizeKiB === 'auto' ? needed.sizeKiB : given.sizeKiB;
  const inodes = given.inodes === 'auto' ? needed.inodes : given.inodes;
  if (sizeKiB >= needed.sizeKiB && inodes >= needed.inodes) return;
  throw new KilnError(
    'failed',
    `the initrd needs ${needed.sizeKiB} KiB and ${needed.inodes} inodes, and is given ${sizeKiB} KiB and ${inodes} inodes`,
    {
      hint: `set initrd.size to ${needed.sizeKiB} and initrd.inodes to ${Math.max(needed.inodes, inodes)} or more, or both to auto`,
    },
  );
}
