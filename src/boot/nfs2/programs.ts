import { NFS_OK, NfsError, NO_ENTRY, READ_ONLY, type ServedFiles } from './files.ts';
import type { Program } from './rpc.ts';
import { opaque, words, type XdrReader } from './xdr.ts';

const HANDLE_BYTES = 32;
const MAX_PATH = 1024;
const MAX_NAME = 255;
/** NFS_MAXDATA (RFC 1094, 2.2). */
const MAX_DATA = 8192;
const UDP = 17;

/** Answers with a status, and what follows where it is NFS_OK. */
function orError(results: () => Buffer): Buffer {
  try {
    return Buffer.concat([words(NFS_OK), results()]);
  } catch (error) {
    if (error instanceof NfsError) return words(error.status);
    throw error;
  }
}

/** NFS 2 (RFC 1094, 2.2), read-only: whatever would write is told so. */
export function nfsProgram(files: ServedFiles): Program {
  const fileOf = (args: XdrReader) => files.pathOf(args.fixed(HANDLE_BYTES));
  const refuse = () => words(READ_ONLY);
  return {
    program: 100003,
    version: 2,
    procedures: {
      1: (args) => orError(() => files.attributes(fileOf(args))),
      2: refuse,
      4: (args) =>
        orError(() => {
          const path = files.child(fileOf(args), args.opaque(MAX_NAME).toString());
          return Buffer.concat([files.handleOf(path), files.attributes(path)]);
        }),
      5: (args) => orError(() => opaque(Buffer.from(files.target(fileOf(args))))),
      6: (args) =>
        orError(() => {
          const path = fileOf(args);
          const [offset, count] = [args.number(), args.number()];
          const bytes = files.read(path, offset, Math.min(count, MAX_DATA));
          return Buffer.concat([files.attributes(path), opaque(bytes)]);
        }),
      ...Object.fromEntries([8, 9, 10, 11, 12, 13, 14, 15].map((procedure) => [procedure, refuse])),
      16: (args) => orError(() => entries(files, fileOf(args), args.number(), args.number())),
      // Transfers of MAX_DATA; of 1024 blocks of 4 KiB none is free.
      17: (args) =>
        orError(() => {
          files.stat(fileOf(args));
          return words(MAX_DATA, 4096, 1024, 0, 0);
        }),
    },
  };
}

/** A directory's names from a cookie on, which is the number of those before it, as many as fit. */
function entries(files: ServedFiles, directory: string, cookie: number, count: number): Buffer {
  const parts: Buffer[] = [];
  const names = files.names(directory);
  // The word that ends the list, and the one that says whether more are to come.
  let room = Math.min(count, MAX_DATA) - 8;
  let next = cookie;
  for (const name of names.slice(cookie)) {
    const path = files.child(directory, name);
    const entry = Buffer.concat([words(1, files.numberOf(path)), opaque(Buffer.from(name)), words(next + 1)]);
    if (entry.length > room) break;
    room -= entry.length;
    parts.push(entry);
    next += 1;
  }
  return Buffer.concat([...parts, words(0, next >= names.length ? 1 : 0)]);
}

/** The mount protocol, version 1 (RFC 1094, appendix A): the root's own path is all that can be mounted. */
export function mountProgram(files: ServedFiles): Program {
  const nothing = () => Buffer.alloc(0);
  return {
    program: 100005,
    version: 1,
    procedures: {
      1: (args) =>
        orError(() => {
          if (args.opaque(MAX_PATH).toString() !== files.root) throw new NfsError(NO_ENTRY);
          return files.handleOf('');
        }),
      2: () => words(0),
      3: nothing,
      4: nothing,
      5: () => Buffer.concat([words(1), opaque(Buffer.from(files.root)), words(0, 0)]),
    },
  };
}

/** The portmapper, version 2 (RFC 1057, appendix A), of programs that are all on one port. */
export function portmapProgram(programs: readonly Program[], port: number): Program {
  return {
    program: 100000,
    version: 2,
    procedures: {
      3: (args) => {
        const [program, version, protocol] = [args.number(), args.number(), args.number()];
        const known = programs.some((each) => each.program === program && each.version === version);
        return words(known && protocol === UDP ? port : 0);
      },
      4: () =>
        Buffer.concat([
          ...programs.map(({ program, version }) => words(1, program, version, UDP, port)),
          words(0),
        ]),
    },
  };
}
