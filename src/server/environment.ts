import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { TokenRecord } from './tokens.ts';

/** What a request to the server carries along from one handler to the next. */
export interface ApiEnvironment {
  Bindings: HttpBindings;
  Variables: {
    /** Whose token the request bore. */
    who?: TokenRecord;
  };
}

export type ApiContext = Context<ApiEnvironment>;
