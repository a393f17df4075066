import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { request } from '../queue/requests.ts';
import { type Served, serveApi } from './serving.ts';

type JsonSchema = Readonly<Record<string, unknown>>;

interface Operation {
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: JsonSchema }[];
  readonly requestBody?: { content: Record<string, { schema: JsonSchema }> };
  readonly responses: Record<string, { content: Record<string, { schema?: JsonSchema }> }>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, JsonSchema> };
}

let served: Served;
let api: Document;
beforeAll(async () => {
  served = await serveApi();
  served.ledger.submit([request('one'), request('two')]);
  api = (await (await fetch(`${served.url}/api/v1/openapi.json`)).json()) as Document;
});
afterAll(() => served.close());

/** A schema with what it refers to in its place. */
function inline(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inline);
  if (value === null || typeof value !== 'object') return value;
  const reference = (value as { $ref?: string }).$ref;
  if (reference !== undefined) return inline(api.components.schemas[reference.split('/').at(-1) ?? '']);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, inline(member)]));
}

/** Values that fit a schema, as far as it goes, and some that do not. */
function valuesOf(schema: JsonSchema): fc.Arbitrary<unknown> {
  const { type, enum: choices, properties, items } = schema;
  const fits: fc.Arbitrary<unknown>[] = [];
  if (Array.isArray(choices)) fits.push(fc.constantFrom(...(choices as unknown[])));
  else if (type === 'integer') fits.push(fc.integer({ min: -3, max: 300 }), fc.maxSafeInteger());
  else if (type === 'boolean') fits.push(fc.boolean());
  else if (type === 'array') fits.push(fc.array(valuesOf(items as JsonSchema), { maxLength: 4 }));
  else if (type === 'object') {
    const members = Object.entries((properties ?? {}) as Record<string, JsonSchema>);
    fits.push(
      fc.record(Object.fromEntries(members.map(([key, one]) => [key, valuesOf(one)])), { requiredKeys: [] }),
    );
  } else fits.push(fc.constantFrom('sample', 'sample:ne2k', 'lts/stable', 'ne2k'), jobIds(), fc.string());
  return fc.oneof({ weight: 8, arbitrary: fc.oneof(...fits) }, { weight: 1, arbitrary: fc.jsonValue() });
}

function jobIds(): fc.Arbitrary<string> {
  return fc.nat().map((index) => {
    const jobs = served.ledger.jobs();
    return jobs[index % jobs.length]?.id ?? '';
  });
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly url: string;
  readonly body: string | undefined;
}

/** Requests to one operation. */
function requests(method: string, path: string, operation: Operation): fc.Arbitrary<Asked> {
  const named = (operation.parameters ?? []).filter((one) => one.in === 'path' || one.in === 'query');
  const spell = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  const values = fc.tuple(...named.map((one) => valuesOf(one.schema).map(spell)));
  const schema = operation.requestBody?.content['application/json']?.schema;
  const bodies =
    schema === undefined
      ? fc.constant(undefined)
      : valuesOf(inline(schema) as JsonSchema).map((body) => JSON.stringify(body));
  return fc.tuple(values, bodies).map(([all, body]) => {
    let url = path;
    const query = new URLSearchParams();
    named.forEach((one, index) => {
      const value = all[index] ?? '';
      // A path with such a part is another path.
      const part = value === '' || value === '.' || value === '..' ? 'x' : value;
      if (one.in === 'path') url = url.replace(`{${one.name}}`, () => encodeURIComponent(part));
      else if (one.required === true || value.length % 3 > 0) query.set(one.name, value);
    });
    return { method, path, url: `${url}?${query}`, body };
  });
}

async function answer({ method, url, body }: Asked): Promise<Response> {
  return fetch(`${served.url}/api/v1${url}`, {
    method: method.toUpperCase(),
    headers: { authorization: served.bearer.publisher, 'content-type': 'application/json' },
    ...(method === 'get' ? {} : { body: body ?? '{}' }),
  });
}

/** What the document says of an answer's content; undefined where it says nothing of that status and type. */
function promised(operation: Operation, response: Response): JsonSchema | undefined {
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
  const { content } = operation.responses[response.status] ?? operation.responses.default ?? { content: {} };
  const media = content[type];
  return media === undefined ? undefined : (media.schema ?? {});
}

describe('the OpenAPI document', () => {
  it('is of version 3.1, and each operation says what it is', () => {
    expect(api.openapi).toBe('3.1.0');
    for (const methods of Object.values(api.paths)) {
      for (const operation of Object.values(methods)) expect(operation).toHaveProperty('summary');
    }
  });

  it('holds for whatever is asked: every answer is one that it promises', async () => {
    const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        // Streams have no end, plans and verification read the disk for long: they have tests of their own.
        .filter(() => !/events$|^\/plans|^\/verify/.test(path))
        .map(([method, operation]) => ({ method, path, operation })),
    );
    for (const { method, path, operation } of operations) {
      await fc.assert(
        fc.asyncProperty(requests(method, path, operation), async (asked) => {
          const response = await answer(asked);
          const text = await response.text();
          const told = `${method} ${asked.url} ${asked.body ?? ''}: ${response.status} ${text.slice(0, 300)}`;
          expect(response.status, told).not.toBe(500);
          const schema = promised(operation, response);
          expect(schema, told).toBeDefined();
          if (!/json/.test(response.headers.get('content-type') ?? '')) return;
          const parsed = z
            .fromJSONSchema(inline(schema) as Parameters<typeof z.fromJSONSchema>[0])
            .safeParse(JSON.parse(text));
          expect(parsed.success ? '' : `${told}: ${parsed.error.message}`).toBe('');
        }),
        { numRuns: 25 },
      );
    }
  });
});
