import { z } from 'zod';

/** Of recipes, patches, variants, axes and their values. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a name of letters, digits, ".", "_" and "-"')
  .max(64);

/** A digest of so many digits. */
export const hex = (length: number) =>
  z.string().regex(new RegExp(`^[0-9a-f]{${length}}$`), `${length} lower-case hexadecimal digits`);

/** A configuration symbol. */
export const symbol = z
  .string()
  .regex(/^CONFIG_[A-Za-z0-9_]+$/, 'a configuration symbol, e.g. CONFIG_8139TOO');
