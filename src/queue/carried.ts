import type { BuildEvent } from '../pipeline/events.ts';
import type { ProcessIdentity } from '../platform/identity.ts';
import type { Job, Outcome } from './job.ts';

/** What a worker gets with a job, besides the job: how it comes by what it needs. */
export type Payload = Readonly<Record<string, unknown>> | null;

/** A job as BullMQ carries it. */
export interface Carried {
  readonly job: Job;
  readonly payload: Payload;
}

/** What a worker says of a delivery, through BullMQ's progress. No logs. */
export interface Progress {
  readonly token: number;
  readonly worker: string;
  readonly identity: ProcessIdentity;
  readonly events: readonly BuildEvent[];
}

/** What a delivery came to: BullMQ's return value, whatever the outcome. */
export interface Returned {
  readonly token: number;
  readonly outcome: Outcome;
}

/** Tokens that one dispatch has room for: twice the deliveries that a job is given. */
const PER_DISPATCH = 1000;

/** The dispatch that a job's token belongs to; 0 for one that was never dispatched. */
export function dispatchOf(token: number): number {
  return Math.floor(token / PER_DISPATCH) * PER_DISPATCH;
}

export function nextDispatch(token: number): number {
  return dispatchOf(token) + PER_DISPATCH;
}

/** BullMQ's id for a job's dispatch: each has its own, so that none is taken for an older one. */
export function deliveryId(id: string, dispatch: number): string {
  return `${id}-${dispatch}`;
}

export function jobIdOf(delivery: string): string {
  return delivery.slice(0, delivery.indexOf('-'));
}

/**
 * The fencing token of a delivery. BullMQ counts the deliveries of a dispatch; between two of them there is room for
 * the record to note that a worker was lost.
 */
export function tokenOf(delivery: string, started: number): number {
  return Number(delivery.slice(delivery.indexOf('-') + 1)) + 2 * started;
}

/** In a token's place: every delivery of a dispatch is to be stopped, because the job is cancelled. */
export const EVERY_DELIVERY = '9007199254740991';

/** BullMQ's bound on how often a job may lose its worker, out of the way: that is for the record to say. */
export const ANY_COUNT = 1_000_000;
