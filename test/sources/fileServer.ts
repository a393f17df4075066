import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers one request; `serve` is what a well-behaved server would do. */
export type Answer = (
  request: IncomingMessage,
  response: ServerResponse,
  serve: () => void,
) => void | Promise<void>;

export interface FileServer {
  readonly url: (path: string) => string;
  /** The requests so far: method, path and the headers that matter to a download. */
  readonly requests: readonly { readonly path: string; readonly range?: string; readonly ifRange?: string }[];
  /** The file served at every path; its ETag changes with it. */
  content: Buffer;
  etag: string | undefined;
  lastModified: string | undefined;
  /** Answers for the next requests, first come; after them, files are served. */
  readonly script: Answer[];
  close(): Promise<void>;
}

/** A server of one file with Range and If-Range as RFC 9110 has them, that a test can make misbehave. */
export async function startFileServer(content: Buffer): Promise<FileServer> {
  const requests: { path: string; range?: string; ifRange?: string }[] = [];
  const script: Answer[] = [];
  const server = createServer((request, response) => {
    const { range } = request.headers;
    const ifRange = request.headers['if-range']?.toString();
    requests.push({
      path: request.url ?? '',
      ...(range === undefined ? {} : { range }),
      ...(ifRange === undefined ? {} : { ifRange }),
    });
    const serve = () => serveFile(files, request, response, (content) => response.end(content));
    const answer = script.shift();
    if (answer === undefined) serve();
    else void answer(request, response, serve);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const files: FileServer = {
    url: (path) => `http://127.0.0.1:${port}${path}`,
    requests,
    content,
    etag: '"1"',
    lastModified: 'Mon, 25 Aug 2003 00:00:00 GMT',
    script,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return files;
}

function serveFile(
  files: FileServer,
  request: IncomingMessage,
  response: ServerResponse,
  send: (content: Buffer) => void,
): void {
  const { content, etag, lastModified } = files;
  if (etag !== undefined) response.setHeader('etag', etag);
  if (lastModified !== undefined) response.setHeader('last-modified', lastModified);
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const condition = request.headers['if-range'];
  const fresh = condition === undefined || condition === etag || condition === lastModified;
  if (start === 0 || !fresh) {
    response.writeHead(200, { 'content-length': content.length });
    send(content);
  } else if (start >= content.length) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end();
  } else {
    const rest = content.subarray(start);
    response.writeHead(206, {
      'content-length': rest.length,
      'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
    });
    send(rest);
  }
}

/** Answers as a good server would, but sends only so many bytes before it cuts the connection. */
export function cutAfter(files: FileServer, bytes: number): Answer {
  return (request, response) => {
    serveFile(files, request, response, (rest) =>
      response.write(rest.subarray(0, bytes), () => response.socket?.end()),
    );
  };
}

/** Answers with a status alone. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => {
    response.writeHead(code, headers).end();
  };
}
