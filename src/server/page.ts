import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { extname, join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { matches } from './api/route.ts';
import { notFound } from './problem.ts';

const DIRECTORY = join(import.meta.dirname, 'page');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
};

/** Nothing from elsewhere, nothing inline, in no frame. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface PageFile {
  readonly type: string;
  readonly tag: string;
  readonly plain: Uint8Array;
  readonly gzip: Uint8Array;
  readonly brotli: Uint8Array;
}

/** The page: its files as they are, TypeScript without its types; read and compressed once. */
export function pageRouter(): Hono {
  const files = readPage();
  const router = new Hono();
  router.get('/', (context) => send(files.get('index.html'), context.req.header()));
  router.get('/page/:name', (context) => send(files.get(context.req.param('name')), context.req.header()));
  return router;
}

/** The files of the page by name. */
export function readPage(): ReadonlyMap<string, PageFile> {
  const names = readdirSync(DIRECTORY).filter((name) => TYPES[extname(name)] !== undefined);
  return new Map(
    names.map((name) => {
      const text = readFileSync(join(DIRECTORY, name), 'utf8');
      const plain = Buffer.from(extname(name) === '.ts' ? stripTypeScriptTypes(text) : text);
      const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } };
      return [
        name,
        {
          type: TYPES[extname(name)] ?? '',
          tag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
          plain,
          gzip: gzipSync(plain),
          brotli: brotliCompressSync(plain, quality),
        },
      ] as const;
    }),
  );
}

function send(file: PageFile | undefined, asked: Readonly<Record<string, string>>): Response {
  if (file === undefined) throw notFound('the page has no such file');
  const headers: Record<string, string> = {
    'Content-Type': file.type,
    'Content-Security-Policy': POLICY,
    'Cache-Control': 'no-cache',
    ETag: file.tag,
    Vary: 'Accept-Encoding',
  };
  if (matches(asked['if-none-match'], file.tag)) return new Response(null, { status: 304, headers });
  const accepted = asked['accept-encoding'] ?? '';
  for (const [coding, body] of [
    ['br', file.brotli],
    ['gzip', file.gzip],
  ] as const) {
    if (!new RegExp(`\\b${coding}\\b`).test(accepted)) continue;
    return new Response(new Uint8Array(body), { headers: { ...headers, 'Content-Encoding': coding } });
  }
  return new Response(new Uint8Array(file.plain), { headers });
}
