import { join } from 'node:path';

/** Where everything that Kiln writes is; every path below one directory. See docs/architecture.md. */
export interface Home {
  readonly root: string;
  /** `bundles/<recipe>/<variant>/<id>/` */
  readonly bundles: string;
  /** What the TFTP server serves. */
  readonly tftp: string;
  /** Safe to delete: sources, trees, step outputs, work trees. */
  readonly cache: string;
  /** One record per channel: its generations and flips. */
  readonly channels: string;
  /** What bundles are signed with, and whose signatures count. */
  readonly keys: string;
  readonly locks: string;
  readonly logs: string;
}

/** The layout of the home at `root` (an absolute path); touches nothing. */
export function homeAt(root: string): Home {
  return {
    root,
    bundles: join(root, 'bundles'),
    tftp: join(root, 'tftp'),
    cache: join(root, 'cache'),
    channels: join(root, 'channels'),
    keys: join(root, 'keys'),
    locks: join(root, 'locks'),
    logs: join(root, 'logs'),
  };
}
