const BASE = 'api/v1';
const TOKEN = 'kiln-token';

/** An error that the server told, as problem details. */
export class ApiError extends Error {
  readonly status: number;
  readonly hint: string | undefined;

  constructor(status: number, detail: string, hint?: string) {
    super(detail);
    this.status = status;
    this.hint = hint;
  }
}

/** The token is this browser tab's alone: it goes with it. */
export function token(): string | null {
  return sessionStorage.getItem(TOKEN);
}

export function setToken(text: string): void {
  if (text === '') sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, text);
}

function headers(more: Record<string, string> = {}): Record<string, string> {
  const bearer = token();
  return bearer === null ? more : { ...more, authorization: `Bearer ${bearer}` };
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`${BASE}${path}`, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new ApiError(0, 'the server does not answer');
  }
  if (response.ok) return response;
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; hint?: string };
  throw new ApiError(response.status, problem.detail ?? response.statusText, problem.hint);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await ask(path, { headers: headers(), signal: signal ?? null })).json()) as T;
}

export async function send<T>(
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: unknown = {},
): Promise<T> {
  const init = {
    method,
    headers: headers({ 'content-type': 'application/json' }),
    body: JSON.stringify(body),
  };
  return (await (await ask(path, init)).json()) as T;
}

/** Some bytes of a log, and how many it has. */
export async function range(
  path: string,
  from: number,
  to: number,
): Promise<{ data: Uint8Array; size: number }> {
  const response = await ask(path, { headers: headers({ range: `bytes=${from}-${to - 1}` }) });
  const size = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? 0);
  return { data: new Uint8Array(await response.arrayBuffer()), size };
}

/** A response's bytes as they come. */
export async function* follow(path: string, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
  const { body } = await ask(path, { headers: headers(), signal });
  const reader = body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

export interface Message {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** An event stream, until it breaks off. EventSource can't bear a token, so it is read by hand. */
export async function* events(
  path: string,
  last: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<Message, void> {
  const more: Record<string, string> = last === undefined ? {} : { 'last-event-id': last };
  const { body } = await ask(path, { headers: headers(more), signal });
  const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  yield { event: 'open', id: undefined, data: '' };
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
      yield { event: field('event') ?? 'comment', id: field('id'), data: field('data') ?? '' };
    }
  }
}
