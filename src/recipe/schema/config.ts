import { z } from 'zod';
import { symbol } from './words.ts';

const optionValue = z
  .union([
    // A line of a .config each, which has bytes and no encoding.
    z.string().regex(/^[\t -~]*$/, 'a value of one line, in ASCII'),
    z.number(),
    z.boolean(),
  ])
  .describe('y, m, n, a number, or a string');

/** Options that a recipe or a variant sets in line. */
export const options = z
  .record(symbol, optionValue)
  .describe('Options by symbol: y, m, n, a number, or a string; they come after every fragment');

/** What the configuration is made of. */
export const config = z.strictObject({
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
