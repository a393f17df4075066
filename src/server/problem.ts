import { type ErrorKind, formatPlace, KilnError } from '../platform/errors.ts';

/** An error as HTTP tells it: problem details (RFC 9457) with the kind and exit code of the command line. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly kind?: ErrorKind;
  readonly exit?: number;
  readonly hint?: string;
  readonly place?: string;
  readonly lines?: readonly string[];
}

/** An error that only HTTP knows: no such thing, no token, a body that is too large. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly title: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The error of the core that it stands for. */
  readonly error: KilnError | undefined;

  constructor(
    status: number,
    title: string,
    detail: string,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly error?: KilnError } = {},
  ) {
    super(detail);
    this.status = status;
    this.title = title;
    this.headers = more.headers ?? {};
    this.error = more.error;
  }
}

const STATUS: Readonly<Record<ErrorKind, readonly [number, string]>> = {
  usage: [400, 'Not a valid request'],
  invalid: [422, 'A recipe, fragment or patch is not valid'],
  failed: [409, 'A build, a gate or a check failed'],
  integrity: [422, 'Integrity'],
  locked: [423, 'Another process holds the lock'],
  tool: [503, 'A host tool is missing'],
  interrupted: [503, 'Interrupted'],
  terminated: [503, 'Terminated'],
};

/** Pure: the problem document of an error. A bug is told as one, without its details. */
export function problemOf(error: unknown): Problem {
  if (error instanceof HttpError) {
    const { status, title, message } = error;
    return { ...kilnPart(error.error), type: 'about:blank', title, status, detail: message };
  }
  if (error instanceof KilnError) {
    const [status, title] = STATUS[error.kind];
    return { ...kilnPart(error), type: `urn:kiln:${error.kind}`, title, status, detail: error.message };
  }
  return {
    type: 'about:blank',
    title: 'Kiln has a bug',
    status: 500,
    detail: 'the server met with an error of its own; its log has it',
  };
}

function kilnPart(error: KilnError | undefined): Partial<Problem> {
  if (error === undefined) return {};
  return {
    kind: error.kind,
    exit: error.exitCode,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.place === undefined ? {} : { place: formatPlace(error.place) }),
    ...(error.lines.length === 0 ? {} : { lines: error.lines }),
  };
}

/** The response that tells an error. */
export function problemResponse(error: unknown): Response {
  const problem = problemOf(error);
  return new Response(`${JSON.stringify(problem)}\n`, {
    status: problem.status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      ...(error instanceof HttpError ? error.headers : {}),
    },
  });
}

/** What the core calls a wrong argument is, where the argument stands in the path, a page that there is not. */
export async function orNotFound<T>(action: () => T | Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof KilnError) || error.kind !== 'usage') throw error;
    throw new HttpError(404, 'Not found', error.message, { error });
  }
}

export function notFound(detail: string): HttpError {
  return new HttpError(404, 'Not found', detail);
}

/** RFC 9110, 15.5.6. */
export function wrongMethod(method: string, path: string, methods: readonly string[]): HttpError {
  const allow = methods.join(', ');
  return new HttpError(405, 'Not with this method', `${path} takes ${allow}, not ${method}`, {
    headers: { Allow: allow },
  });
}
