import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from '@hono/zod-openapi';
import { hasErrno } from '../../platform/errors.ts';
import { WATCH_POLICIES } from '../../recipe/schema/watch.ts';
import { revisionsOf } from '../../watch/revision.ts';
import { type RecipeStatus, watchStatus } from '../../watch/status.ts';
import { notFound } from '../problem.ts';
import { type Api, name } from './route.ts';
import { listOf } from './schemas.ts';
import type { Server } from './server.ts';

const source = z.object({
  source: z.string().openapi({ description: "kernel or the patch's name" }),
  status: z.enum([
    'current',
    'newer',
    'refused',
    'does-not-apply',
    'untried',
    'unreachable',
    'waiting',
    'no-match',
  ]),
  current: z.string().nullable(),
  newest: z.string().nullable(),
  message: z.string().nullable(),
  lines: listOf(z.string()).openapi({ description: 'of a series that does not apply: the hunks' }),
  looked: z.string(),
  next: z.string().nullable().openapi({ description: 'when its listing is asked again' }),
  failures: z
    .int()
    .openapi({ description: 'how often in a row it could not be asked: each makes the wait longer' }),
});

const revision = z.int().min(1).openapi({ description: 'what is built in its place, by number' });

const watched = z
  .object({
    recipe: z.string(),
    looked: z.string(),
    policy: z.enum(WATCH_POLICIES).nullable(),
    sources: listOf(source),
    fault: z.string().nullable().openapi({ description: 'why the recipe could not be looked at' }),
    revision: revision.nullable(),
    change: z
      .object({
        found: z.string(),
        variants: listOf(z.string()),
        because: listOf(z.string()),
        job: z.string().nullable(),
        superseded: listOf(z.string()),
      })
      .nullable()
      .openapi({ description: 'the newest thing that was built anew because of it' }),
  })
  .openapi('Watched');

export function watchRoutes(api: Api, { home, watching }: Server): void {
  api.route(
    {
      method: 'get',
      path: '/watch',
      kept: true,
      summary: 'What the watcher has found: newer patches, refused ones, when upstream is asked again',
      tag: 'watch',
      role: 'viewer',
      answers: z.object({
        watching: z.boolean().openapi({ description: 'false where the server was started with --no-watch' }),
        recipes: listOf(watched),
      }),
    },
    async () => ({ watching, recipes: (await watchStatus(home)).recipes.map(describe) }),
  );
  api.route(
    {
      method: 'get',
      path: '/watch/{recipe}/revisions/{number}',
      summary: 'A revision that the watcher has made: the recipe, and how it differs from the one it revises',
      tag: 'watch',
      role: 'viewer',
      params: { recipe: name, number: z.string().regex(/^[1-9]\d{0,6}$/, "a revision's number") },
      answers: z.object({ recipe: z.string(), number: revision, text: z.string(), diff: z.string() }),
    },
    async ({ params }) => {
      const directory = join(revisionsOf(home, params.recipe), params.number);
      const read = (file: string) => readText(join(directory, `${params.recipe}${file}`));
      const [text, diff] = await Promise.all([read('.yaml'), read('.diff')]);
      return { recipe: params.recipe, number: Number(params.number), text, diff };
    },
  );
}

function describe({ recipe, looked, policy, sources, problem, revision: kept, change }: RecipeStatus) {
  return {
    recipe,
    looked,
    policy,
    sources: sources.map(({ recipe: _recipe, ...rest }) => rest),
    fault: problem?.message ?? null,
    revision: kept?.number ?? null,
    change:
      change === null
        ? null
        : {
            found: change.found,
            variants: change.variants,
            because: change.because,
            job: change.job,
            superseded: change.superseded,
          },
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (!hasErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    throw notFound(`there is no revision ${basename(dirname(path))}`);
  }
}
