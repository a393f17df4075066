import { join } from 'node:path';
import { list } from 'tar';
import type { StoredBundle } from './find.ts';

/** A member of a bundle's module archive. */
export interface ModuleMember {
  /** Relative to the archive's top, e.g. `lib/modules/2.4.22-om2/kernel/drivers/net/8139too.o`. */
  readonly path: string;
  readonly kind: 'directory' | 'file' | 'symlink';
  readonly mode: number;
  readonly bytes: Buffer;
  /** What a symlink says; else empty. */
  readonly target: string;
}

/** The members of a bundle's `modules.tar.gz`, in their order; none where there is no such file. */
export async function readModuleArchive(bundle: StoredBundle): Promise<ModuleMember[]> {
  if (bundle.manifest.files['modules.tar.gz'] === undefined) return [];
  const members: ModuleMember[] = [];
  await list({
    file: join(bundle.directory, 'modules.tar.gz'),
    strict: true,
    onReadEntry: (entry) => {
      const kind =
        entry.type === 'Directory' ? 'directory' : entry.type === 'SymbolicLink' ? 'symlink' : 'file';
      const chunks: Buffer[] = [];
      entry.on('data', (chunk: Buffer) => chunks.push(chunk));
      entry.on('end', () => {
        members.push({
          path: entry.path.replace(/\/$/, ''),
          kind,
          mode: (entry.mode ?? 0o644) & 0o777,
          bytes: Buffer.concat(chunks),
          target: entry.linkpath ?? '',
        });
      });
    },
  });
  return members;
}

/** True for the objects that the kernel loads. */
export function isModule({ path, kind }: ModuleMember): boolean {
  return kind === 'file' && /\.k?o$/.test(path);
}
