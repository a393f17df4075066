import type { z } from 'zod';
import { KilnError, type Place } from '../platform/errors.ts';
import type { axesSchema, variantListSchema, variantMapSchema } from './schema/variants.ts';
import type { VariantSpec } from './schema.ts';

/** Variants as a recipe writes them: by name, as a list, or as axes whose points they are. */
export type WrittenVariants =
  | z.output<typeof variantMapSchema>
  | z.output<typeof variantListSchema>
  | z.output<typeof axesSchema>;

type Axes = z.output<typeof axesSchema>;
type Path = readonly (string | number)[];

/** One of the places that say something about a variant. */
export interface VariantPart {
  readonly spec: VariantSpec;
  /** Where it is written in the recipe. */
  readonly path: Path;
}

/** A variant's parts by its name, in order of precedence: a later part wins. */
export type Matrix = ReadonlyMap<string, readonly VariantPart[]>;

/**
 * The variants that a recipe means. Of axes every point is one, named by its values joined with "-" in the order of
 * the axes, less what `exclude` names; `include` adds to points (`when`), or adds variants of its own (`name`).
 * @throws KilnError `invalid` for a name that is used twice, an axis or a value that there is not
 */
export function expandMatrix(written: WrittenVariants, placeOf: (path: Path) => Place): Matrix {
  const matrix = new Map<string, VariantPart[]>();
  const add = (name: string, parts: VariantPart[]) => {
    if (matrix.has(name)) {
      const path = parts.at(-1)?.path ?? ['variants'];
      throw fault(placeOf(path), `variant ${name} is there twice`, 'give each variant a name of its own');
    }
    matrix.set(name, parts);
  };
  if (Array.isArray(written)) {
    written.forEach(({ name, ...spec }, index) => {
      add(name, [{ spec, path: ['variants', index] }]);
    });
  } else if (isAxes(written)) addPoints(written, placeOf, add);
  else for (const [name, spec] of Object.entries(written)) add(name, [{ spec, path: ['variants', name] }]);
  if (matrix.size === 0) {
    throw fault(placeOf(['variants']), 'exclude leaves no variant', 'exclude fewer points');
  }
  return matrix;
}

function isAxes(written: object): written is Axes {
  return 'axes' in written;
}

/** One point: a value for every axis. */
type Point = ReadonlyMap<string, string>;

function addPoints(
  { axes, include, exclude }: Axes,
  placeOf: (path: Path) => Place,
  add: (name: string, parts: VariantPart[]) => void,
): void {
  const check = (chosen: Readonly<Record<string, readonly string[]>>, path: Path) => {
    for (const [axis, values] of Object.entries(chosen))
      checkValues(axes, axis, values, placeOf([...path, axis]));
  };
  for (const [index, chosen] of exclude.entries()) check(chosen, ['variants', 'exclude', index]);
  for (const [index, { when }] of include.entries())
    check(when ?? {}, ['variants', 'include', index, 'when']);
  for (const point of points(axes)) {
    if (exclude.some((chosen) => matches(point, chosen))) continue;
    const parts = [...point].map(([axis, value]): VariantPart => {
      const spec = axes[axis]?.[value];
      if (spec === undefined) throw new Error(`${axis} has no value ${value}`);
      return { spec, path: ['variants', 'axes', axis, value] };
    });
    include.forEach(({ name, when, ...spec }, index) => {
      if (name === undefined && matches(point, when ?? {}))
        parts.push({ spec, path: ['variants', 'include', index] });
    });
    add([...point.values()].join('-'), parts);
  }
  include.forEach(({ name, when, ...spec }, index) => {
    const path = ['variants', 'include', index];
    if (name !== undefined) add(name, [{ spec, path }]);
    if ((name === undefined) === (when === undefined)) {
      throw fault(
        placeOf(path),
        `variants.include.${index}: expected either name or when`,
        'name makes a variant of its own, when adds to the points of these values',
      );
    }
  });
}

function points(axes: Axes['axes']): Point[] {
  return Object.entries(axes).reduce<Point[]>(
    (made, [axis, values]) =>
      made.flatMap((point) => Object.keys(values).map((value) => new Map([...point, [axis, value]]))),
    [new Map()],
  );
}

function matches(point: Point, chosen: Readonly<Record<string, readonly string[]>>): boolean {
  return Object.entries(chosen).every(([axis, values]) => values.includes(point.get(axis) ?? ''));
}

function checkValues(axes: Axes['axes'], axis: string, values: readonly string[], place: Place): void {
  const known = Object.hasOwn(axes, axis) ? axes[axis] : undefined;
  if (known === undefined) {
    throw fault(place, `there is no axis ${axis}`, `axes are ${Object.keys(axes).join(', ')}`);
  }
  for (const value of values) {
    if (!Object.hasOwn(known, value)) {
      throw fault(place, `axis ${axis} has no value ${value}`, `it has ${Object.keys(known).join(', ')}`);
    }
  }
}

/**
 * What a variant's parts say together: fragments one after another, of everything else the later part's.
 * @throws KilnError `invalid` where two axes give one option different values
 */
export function mergeParts(parts: readonly VariantPart[], placeOf: (path: Path) => Place): VariantSpec {
  const options: Record<string, string | number | boolean> = {};
  const from = new Map<string, VariantPart>();
  for (const part of parts) {
    for (const [symbol, value] of Object.entries(part.spec.options)) {
      const other = from.get(symbol);
      if (other !== undefined && options[symbol] !== value && isAxis(other) && isAxis(part)) {
        throw fault(
          placeOf([...part.path, 'options', symbol]),
          `${symbol} is ${String(value)} here and ${String(options[symbol])} in ${other.path.slice(2).join('.')}`,
          'two axes must not decide one option; say in include what the point shall have',
        );
      }
      options[symbol] = value;
      from.set(symbol, part);
    }
  }
  const descriptions = parts.flatMap(({ spec }) => spec.description ?? []);
  const boots = parts.flatMap(({ spec }) => spec.boot ?? []);
  const initrds = parts.flatMap(({ spec }) => spec.initrd ?? []);
  return {
    ...(descriptions.length === 0 ? {} : { description: descriptions.join(', ') }),
    fragments: parts.flatMap(({ spec }) => spec.fragments),
    options,
    ...(boots.length === 0 ? {} : { boot: Object.assign({}, ...boots) }),
    ...(initrds.length === 0 ? {} : { initrd: Object.assign({}, ...initrds) }),
  };
}

function isAxis({ path }: VariantPart): boolean {
  return path[1] === 'axes';
}

function fault(place: Place, sentence: string, hint: string): KilnError {
  return new KilnError('invalid', sentence, { place, hint });
}
