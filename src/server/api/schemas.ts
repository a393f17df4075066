import { z } from '@hono/zod-openapi';

/** A list that handlers may give as they have it. */
export function listOf<T extends z.ZodType>(item: T) {
  return z.array(item).readonly();
}

export const jobId = z
  .string()
  .regex(/^j[0-9a-f]{10}$/, "a job's id")
  .openapi({ example: 'j0123456789' });

/** RECIPE or RECIPE:VARIANT: names under recipes/, never paths. */
export const reference = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9][\w.+-]*(:[\w.+*-]+)?$/, 'RECIPE or RECIPE:VARIANT')
  .refine((text) => !/\.ya?ml$/.test(text), 'a name under recipes/, not a file')
  .openapi({ example: 'sample:ne2k' });

export const channelName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)*$/, "a channel's name")
  .openapi({ description: 'its slashes as %2F in a path', example: 'lts/stable' });

export const reason = z.string().trim().min(1).max(500);
export const priority = z.int().min(-1000).max(1000).openapi({ description: 'higher runs first' });

const resultSchema = z.looseObject({
  recipe: z.string(),
  variant: z.string(),
  status: z.enum(['published', 'built', 'failed', 'cancelled']),
  bundle: z.string().nullable(),
  release: z.string().nullable(),
  channel: z.string().nullable(),
  generation: z.int().nullable(),
  seconds: z.number(),
  error: z.looseObject({ kind: z.string(), message: z.string() }).optional(),
});

export const job = z
  .object({
    id: jobId,
    recipe: z.string(),
    variants: listOf(
      z.object({
        name: z.string(),
        status: z.enum(['waiting', 'running', 'published', 'built', 'failed', 'cancelled']),
        result: resultSchema.nullable(),
      }),
    ),
    state: z.enum(['waiting', 'running', 'done', 'failed', 'cancelled']),
    priority: z.int(),
    submitted: z.string(),
    ended: z.string().nullable(),
    why: z.string().nullable(),
    cancelling: z.string().nullable(),
    worker: z.string().nullable(),
    labels: z.record(z.string(), z.string()).openapi({ description: 'what a worker must be to get it' }),
    waitsFor: z
      .string()
      .nullable()
      .openapi({ description: 'in words: that no worker is connected that suits it' }),
  })
  .openapi('Job');

export const event = z
  .object({
    cursor: z.int(),
    at: z.int(),
    job: z.string().nullable(),
    news: z.looseObject({ type: z.string() }),
  })
  .openapi('Event');

export const sizes = z.object({ vmlinuz: z.int(), initrd: z.int(), modules: z.int() });

export const bundle = z
  .object({
    id: z.string(),
    recipe: z.string(),
    variant: z.string(),
    release: z.string(),
    channels: listOf(z.string()),
    bytes: z.int(),
    sizes,
    booted: z.boolean(),
    built: z.string(),
    seconds: z.number().nullable(),
  })
  .openapi('Bundle');

export const generation = z.object({
  generation: z.int(),
  bundle: z.string(),
  recipe: z.string(),
  variant: z.string(),
  at: z.string(),
  by: z.string(),
  reason: z.string(),
  sizes: sizes.nullable().openapi({ description: 'null where the bundle is gone' }),
  seconds: z
    .number()
    .nullable()
    .openapi({ description: 'how long it took to build, where that is still known' }),
});

export const flip = z.object({
  at: z.string(),
  by: z.string(),
  reason: z.string(),
  from: z.int().nullable(),
  to: z.int(),
});

export const pin = z.object({
  at: z.string(),
  by: z.string(),
  reason: z.string(),
  generation: z.int().nullable().openapi({ description: 'where it was when it was pinned' }),
});

export const channel = z
  .object({
    name: z.string(),
    generation: z.int().nullable(),
    bundle: z.string().nullable(),
    target: z.string().nullable().openapi({ description: 'as the symlink says it' }),
    since: z.string().nullable(),
    generations: z.int().openapi({ description: 'how many there have been' }),
    pin: pin.nullable(),
  })
  .openapi('Channel');

export const published = z.object({
  channel: z.string(),
  generation: z.int(),
  bundle: z.string(),
  flipped: z.boolean(),
});

export const canary = z
  .object({
    mac: z.string().openapi({ description: 'as aa-bb-cc-dd-ee-ff' }),
    channel: z.string(),
    at: z.string(),
    by: z.string(),
    reason: z.string(),
  })
  .openapi('Canary');
