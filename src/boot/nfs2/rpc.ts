import { Garbage, words, XdrReader } from './xdr.ts';

/** One version of a program: its procedures by number, each from arguments to results. */
export interface Program {
  readonly program: number;
  readonly version: number;
  readonly procedures: Readonly<Record<number, (args: XdrReader) => Buffer>>;
}

const CALL = 0;
const REPLY = 1;
const RPC_VERSION = 2;
const ACCEPTED = 0;
const AUTH_NONE = 0;
/** RFC 1057, 8.2: what an authenticator may take. */
const MAX_AUTH_BYTES = 400;

/** accept_stat of RFC 1057, 8. */
const SUCCESS = 0;
const PROGRAM_UNAVAILABLE = 1;
const PROGRAM_MISMATCH = 2;
const PROCEDURE_UNAVAILABLE = 3;
const GARBAGE_ARGUMENTS = 4;

/**
 * Answers a call of Sun's RPC (RFC 1057) that came in a datagram; undefined for what is no call. Who calls is not
 * asked. Procedure 0, which does nothing, every program has.
 */
export function answerCall(datagram: Buffer, programs: readonly Program[]): Buffer | undefined {
  try {
    const call = new XdrReader(datagram);
    const transaction = call.number();
    if (call.number() !== CALL || call.number() !== RPC_VERSION) return undefined;
    const [program, version, procedure] = [call.number(), call.number(), call.number()];
    for (const _ of ['credentials', 'verifier']) {
      call.number();
      call.opaque(MAX_AUTH_BYTES);
    }
    const head = words(transaction, REPLY, ACCEPTED, AUTH_NONE, 0);
    return Buffer.concat([head, outcomeOf(programs, program, version, procedure, call)]);
  } catch (error) {
    if (error instanceof Garbage) return undefined;
    throw error;
  }
}

function outcomeOf(
  programs: readonly Program[],
  program: number,
  version: number,
  procedure: number,
  args: XdrReader,
): Buffer {
  const versions = programs.filter((each) => each.program === program);
  const [lowest] = versions;
  if (lowest === undefined) return words(PROGRAM_UNAVAILABLE);
  const found = versions.find((each) => each.version === version);
  if (found === undefined) return words(PROGRAM_MISMATCH, lowest.version, lowest.version);
  if (procedure === 0) return words(SUCCESS);
  const run = found.procedures[procedure];
  if (run === undefined) return words(PROCEDURE_UNAVAILABLE);
  try {
    return Buffer.concat([words(SUCCESS), run(args)]);
  } catch (error) {
    if (error instanceof Garbage) return words(GARBAGE_ARGUMENTS);
    throw error;
  }
}
