import { z } from 'zod';
import { boot } from './boot.ts';
import { options } from './config.ts';
import { variantInitrd } from './initrd.ts';
import { name } from './words.ts';

/** What a variant says for itself. */
export const variant = z.strictObject({
  description: z.string().optional(),
  fragments: z.array(z.string().min(1)).default([]),
  options: options.default({}),
  boot: boot.optional(),
  initrd: variantInitrd.optional(),
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
