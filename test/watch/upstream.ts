import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers one request instead of the server. */
export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A directory of patches on a server that the test steers. */
export interface Upstream {
  readonly url: string;
  /** The files by name; `/` lists them. */
  readonly files: Map<string, Buffer>;
  /** Answers for the next requests of a path, first come; after them, files are served. */
  readonly script: Map<string, Answer[]>;
  /** Requests so far: path, and what was answered. */
  readonly requests: {
    readonly path: string;
    readonly userAgent: string;
    readonly conditional: boolean;
    status: number;
  }[];
  /** The most requests that were open at once. */
  readonly busiest: () => number;
  close(): Promise<void>;
}

/** Starts a server on an address of this machine that lists and serves files with ETags, and answers 304 where they match. */
export async function startUpstream(address = '127.0.0.1'): Promise<Upstream> {
  const files = new Map<string, Buffer>();
  const script = new Map<string, Answer[]>();
  const requests: Upstream['requests'] = [];
  let open = 0;
  let busiest = 0;
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    const record = {
      path,
      userAgent: request.headers['user-agent'] ?? '',
      conditional: request.headers['if-none-match'] !== undefined,
      status: 0,
    };
    requests.push(record);
    open += 1;
    busiest = Math.max(busiest, open);
    response.on('close', () => {
      open -= 1;
      record.status = response.statusCode;
    });
    const answer = script.get(path)?.shift();
    if (answer === undefined) serve(files, request, response);
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${address}:${port}/`,
    files,
    script,
    requests,
    busiest: () => busiest,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function serve(files: Upstream['files'], request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '';
  const body = path === '/' ? Buffer.from(page([...files.keys()])) : files.get(path.slice(1));
  if (body === undefined) {
    response.writeHead(404).end();
    return;
  }
  const etag = `"${createHash('sha256').update(body).digest('hex').slice(0, 16)}"`;
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, { etag }).end();
    return;
  }
  const type = path === '/' ? 'text/html' : 'application/octet-stream';
  response.writeHead(200, { etag, 'content-length': body.length, 'content-type': type }).end(body);
}

/** A directory's index as servers make them. */
export function page(hrefs: readonly string[]): string {
  const links = hrefs.map((href) => `<li><a href="${href}">${href}</a></li>`);
  return `<html><head><title>Index of /</title></head><body><a href="../">..</a><ul>${links.join('\n')}</ul></body></html>`;
}

/** Answers with a status alone. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => void response.writeHead(code, headers).end();
}

/** Answers with a body. */
export function body(text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => void response.writeHead(200, headers).end(text);
}
