import { createHash } from 'node:crypto';
import { OpenAPIHono, z } from '@hono/zod-openapi';
import { Hono } from 'hono';
import type { ApiContext, ApiEnvironment } from '../environment.ts';
import type { Guard } from '../guard.ts';
import type { Kept } from '../kept.ts';
import { HttpError } from '../problem.ts';
import type { Role, TokenRecord } from '../tokens.ts';

type Shape = Readonly<Record<string, z.ZodType>>;
type Fields<S extends Shape> = z.output<z.ZodObject<S>>;

/** One route: what validates a request, what documents it and what types its handler. */
export interface RouteSpec<P extends Shape, Q extends Shape, B extends z.ZodType, R extends z.ZodType> {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  /** As OpenAPI writes it: `/jobs/{job}`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  /** Who may: `open` to everybody; a viewer needs no token on the machine itself. */
  readonly role: Role | 'open';
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly headers?: Shape;
  /** The JSON that it answers; other media are named instead. */
  readonly answers?: R;
  readonly media?: string;
  readonly status?: 200 | 201;
  /** The answer is the same for all who ask, until something changes in the home: it is made once. */
  readonly kept?: true;
}

export interface Asked<P extends Shape, Q extends Shape, B extends z.ZodType> {
  readonly params: Fields<P>;
  readonly query: Fields<Q>;
  readonly body: z.output<B>;
  readonly context: ApiContext;
  /** Whose token it was; undefined where none was needed. */
  readonly who: TokenRecord | undefined;
}

/** What the handler of a route with a JSON answer gives: the document, with headers where it wants some. */
export type Answer<R extends z.ZodType> = z.input<R> | Response;

const BODY_LIMIT = 64 * 1024;

/** Routes below one base path and their OpenAPI document. */
export class Api {
  readonly app = new Hono<ApiEnvironment>();
  readonly #document = new OpenAPIHono();
  readonly #guard: Guard;
  readonly #base: string;
  readonly #methods: { readonly path: RegExp; readonly method: string }[] = [];
  readonly #kept: Kept;

  /** @param kept keeps answers until something changes */
  constructor(base: string, guard: Guard, kept: Kept) {
    this.#base = base;
    this.#guard = guard;
    this.#kept = kept;
    this.#document.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
      type: 'http',
      scheme: 'bearer',
      description: 'a token of kiln token add',
    });
  }

  /** Adds a route. */
  route<
    R extends z.ZodType,
    P extends Shape = Record<never, never>,
    Q extends Shape = Record<never, never>,
    B extends z.ZodType = z.ZodUndefined,
  >(spec: RouteSpec<P, Q, B, R>, handle: (asked: Asked<P, Q, B>) => Answer<R> | Promise<Answer<R>>): void {
    this.#describe(spec);
    this.#methods.push({
      path: new RegExp(`^${this.#base}${spec.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
      method: spec.method.toUpperCase(),
    });
    const params = z.strictObject(spec.params ?? {});
    const query = z.strictObject(spec.query ?? {});
    const path = spec.path.replaceAll(/\{(\w+)\}/g, ':$1');
    this.app.on([spec.method], [path], async (context) => {
      const who = await this.#guard.admit(context, spec.role);
      if (who !== undefined) context.set('who', who);
      const asked = {
        params: valid('path', params, context.req.param()) as Fields<P>,
        query: valid('query', query, context.req.query()) as Fields<Q>,
        body: (spec.body === undefined
          ? undefined
          : valid('body', spec.body, await this.#guard.jsonBody(context, BODY_LIMIT))) as z.output<B>,
        context,
        who,
      };
      if (spec.kept === true) {
        const { url } = context.req;
        const make = async () => writtenOf(await handle(asked));
        return sent(context, await this.#kept.get(url.slice(url.indexOf('/', 8)), make), 200);
      }
      const answer = await handle(asked);
      return answer instanceof Response ? answer : json(context, answer, spec.status ?? 200);
    });
  }

  /** The methods that there are for a path; none where there is nothing. */
  methodsOf(path: string): string[] {
    const own = this.#methods.filter((one) => one.path.test(path)).map(({ method }) => method);
    return own.includes('GET') ? [...own, 'HEAD'] : own;
  }

  /** The OpenAPI 3.1 document of the routes so far. */
  document(version: string) {
    return this.#document.getOpenAPI31Document({
      openapi: '3.1.0',
      info: {
        title: 'Kiln',
        version,
        description:
          'What `kiln` does on the command line, over HTTP. Errors are problem details (RFC 9457).',
        license: { name: 'MIT' },
      },
      servers: [{ url: this.#base }],
    });
  }

  #describe<P extends Shape, Q extends Shape, B extends z.ZodType, R extends z.ZodType>(
    spec: RouteSpec<P, Q, B, R>,
  ): void {
    const { method, path, summary, tag, role, params, query, body, headers, answers, media, status } = spec;
    const content =
      answers === undefined ? { [media ?? 'text/plain']: {} } : { 'application/json': { schema: answers } };
    this.#document.openAPIRegistry.registerPath({
      method,
      path,
      summary,
      tags: [tag],
      security: role === 'open' ? [] : role === 'viewer' ? [{}, { bearer: [role] }] : [{ bearer: [role] }],
      request: {
        ...(params === undefined ? {} : { params: z.strictObject(params) }),
        ...(query === undefined ? {} : { query: z.strictObject(query) }),
        ...(headers === undefined ? {} : { headers: z.object(headers) }),
        ...(body === undefined
          ? {}
          : { body: { required: true, content: { 'application/json': { schema: body } } } }),
      },
      responses: {
        [status ?? 200]: { description: summary, content },
        default: {
          description: 'what went wrong',
          content: { 'application/problem+json': { schema: problemSchema } },
        },
      },
    });
  }
}

const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    kind: z.string().optional(),
    exit: z.int().optional(),
    hint: z.string().optional(),
    place: z.string().optional(),
    lines: z.array(z.string()).optional(),
  })
  .openapi('Problem');

function valid<S extends z.ZodType>(where: string, schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter((part) => part !== '').join(': '),
  );
  throw new HttpError(400, 'Not a valid request', `in the ${where}: ${faults.join('; ')}`);
}

/** JSON with an entity tag of its content (RFC 9110, 8.8.3); 304 for who has it already. */
export function json(context: ApiContext, document: unknown, status: 200 | 201 = 200): Response {
  return sent(context, writtenOf(document), status);
}

/** Kept as bytes: nothing is encoded again for each who asks. */
interface Written {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tag: string;
}

function writtenOf(document: unknown): Written {
  const bytes = new TextEncoder().encode(`${JSON.stringify(document)}\n`);
  return { bytes, tag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"` };
}

function sent(context: ApiContext, { bytes, tag }: Written, status: 200 | 201): Response {
  const headers = { ETag: tag, 'Cache-Control': 'no-cache' };
  if (context.req.method === 'GET' && matches(context.req.header('if-none-match'), tag)) {
    return new Response(null, { status: 304, headers });
  }
  return new Response(bytes, { status, headers: { ...headers, 'Content-Type': 'application/json' } });
}

/** True when an If-None-Match names a tag. */
export function matches(header: string | undefined, tag: string): boolean {
  const tags = header?.split(/\s*,\s*/) ?? [];
  return tags.some((one) => one === '*' || one.replace(/^W\//, '') === tag);
}

/** Query parameters of lists. */
export const PAGE = {
  limit: z.coerce.number().int().min(1).max(200).default(50).openapi({ description: 'how many at most' }),
  after: z.string().max(200).optional().openapi({ description: '`next` of the page before' }),
};

/** One page of a list whose members have names that stay theirs; `next` where there is more. */
export function pageOf<T>(
  items: readonly T[],
  name: (item: T) => string,
  { limit, after }: { readonly limit: number; readonly after?: string | undefined },
): { readonly items: readonly T[]; readonly next: string | null } {
  const start = after === undefined ? 0 : items.findIndex((item) => name(item) === after) + 1;
  if (after !== undefined && start === 0) {
    throw new HttpError(400, 'Not a valid request', `after=${after} is not in the list any more`);
  }
  const page = items.slice(start, start + limit);
  const last = page.at(-1);
  return { items: page, next: last === undefined || start + limit >= items.length ? null : name(last) };
}

/** The part of a path that is a name on the disk: no slash, no dot in front. */
export const name = z.string().regex(/^[A-Za-z0-9][\w.+~-]{0,199}$/, 'a name');

/** A role's name for what a handler notes in a history. */
export function nameOf(who: TokenRecord | undefined): string {
  return who?.name ?? 'somebody';
}
