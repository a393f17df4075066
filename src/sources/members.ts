/** One member of an archive, as its headers describe it. */
export interface Member {
  readonly path: string;
  readonly type: 'file' | 'directory' | 'symlink' | 'hardlink' | 'other';
  /** The archive's own word for the type, e.g. `CharacterDevice`. */
  readonly typeName: string;
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Target of a symlink, or the member that a hard link is another name of. */
  readonly target?: string;
}

export interface Bounds {
  /** Most bytes that the members may unpack to. */
  readonly bytes: number;
  readonly members: number;
}

/** Why an archive is refused: the member, and what is wrong with it. */
export interface Refusal {
  readonly path: string;
  readonly reason: string;
}

/** What an archive that may be unpacked comes to: its single top directory, and a member for each path. */
export interface Verdict {
  readonly top: string;
  readonly members: ReadonlyMap<string, Member>;
}

/** As Linux: path_resolution(7). */
const MAX_SYMLINKS = 40;

/**
 * Judges an archive of one source tree by its list of members, before any of it is written.
 * Refused are: names that are absolute, climb out (`..`), or hold a NUL, a line break or bytes that aren't UTF-8;
 * members that are neither file, directory nor link; members below a symlink or a file; links whose target is
 * outside the top directory; two members of one name, unless both are directories or both files; more than one
 * top directory, or something beside it; and more bytes or members than the bounds allow.
 */
export function judgeMembers(members: Iterable<Member>, bounds: Bounds): Verdict | Refusal {
  const judge = new Judge(bounds);
  for (const member of members) {
    const reason = judge.add(member);
    if (reason !== undefined) return { path: member.path, reason };
  }
  return judge.verdict();
}

class Judge {
  private readonly bounds: Bounds;
  private readonly members = new Map<string, Member>();
  private top: string | undefined;
  private bytes = 0;
  private count = 0;

  constructor(bounds: Bounds) {
    this.bounds = bounds;
  }

  /** Takes the next member; a string says why it can't be. */
  add(member: Member): string | undefined {
    this.count += 1;
    this.bytes += member.size;
    if (this.count > this.bounds.members) return `is one more than ${this.bounds.members} members`;
    if (this.bytes > this.bounds.bytes) return `brings the archive to more than ${this.bounds.bytes} bytes`;
    const bad = badName(member.path) ?? badType(member);
    if (bad !== undefined) return bad;
    const parts = componentsOf(member.path);
    // `tar -cf x .` begins with a member for the place that it is unpacked to.
    if (parts.length === 0 && member.type === 'directory') return undefined;
    const path = parts.join('/');
    const reason =
      this.badTop(parts, member) ?? collision(this.members.get(path), member) ?? this.badHardLink(member);
    if (reason === undefined) this.members.set(path, member);
    return reason;
  }

  /** What only the whole list shows: where symlinks lead, and what lies below members that are no directories. */
  verdict(): Verdict | Refusal {
    if (this.top === undefined) return { path: '', reason: 'is missing: the archive is empty' };
    for (const [path, member] of this.members) {
      const reason = this.badParent(path) ?? this.badSymlink(path, member);
      if (reason !== undefined) return { path: member.path, reason };
    }
    return { top: this.top, members: this.members };
  }

  private badTop(parts: readonly string[], member: Member): string | undefined {
    const [top] = parts;
    if (top === undefined || (parts.length === 1 && member.type !== 'directory')) {
      return `is a ${member.type} where the one top directory is expected`;
    }
    this.top ??= top;
    return top === this.top ? undefined : `lies beside the top directory ${this.top}/`;
  }

  private badHardLink(member: Member): string | undefined {
    if (member.type !== 'hardlink') return undefined;
    const words = `is a hard link to ${JSON.stringify(member.target ?? '')}`;
    const bad = badName(member.target ?? '');
    if (bad !== undefined) return `${words}, which ${bad}`;
    const linked = this.members.get(componentsOf(member.target ?? '').join('/'));
    if (linked === undefined) return `${words}, which is no member before it`;
    return linked.type === 'file' || linked.type === 'hardlink' ? undefined : `${words}, a ${linked.type}`;
  }

  private badParent(path: string): string | undefined {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = this.members.get(path.slice(0, end));
      if (parent !== undefined && parent.type !== 'directory') {
        return `goes through the ${parent.type} ${JSON.stringify(parent.path)}`;
      }
    }
    return undefined;
  }

  private badSymlink(path: string, member: Member): string | undefined {
    if (member.type !== 'symlink') return undefined;
    const target = member.target ?? '';
    const words = `is a symlink to ${JSON.stringify(target)}`;
    if (/[\0\n\r\uFFFD]/.test(target)) return `${words}, which is no name`;
    if (target.startsWith('/')) return `${words}, an absolute path`;
    return this.staysInside(path, target) ? undefined : `${words}, outside ${this.top}/`;
  }

  /** Follows a symlink as the system would, through the archive's other symlinks. */
  private staysInside(path: string, target: string): boolean {
    const at = path.split('/').slice(0, -1);
    const pending = target.split('/').reverse();
    let followed = 0;
    for (let part = pending.pop(); part !== undefined; part = pending.pop()) {
      if (part === '' || part === '.') continue;
      if (part === '..') {
        at.pop();
        if (at.length === 0) return false;
        continue;
      }
      at.push(part);
      const member = this.members.get(at.join('/'));
      if (member?.type !== 'symlink') continue;
      // A circle leads nowhere, and so not out.
      if (++followed > MAX_SYMLINKS) return true;
      if (member.target?.startsWith('/') === true) return false;
      at.pop();
      pending.push(...(member.target ?? '').split('/').reverse());
    }
    return true;
  }
}

function componentsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

/** Why an archive's member can't have a name, or undefined for one that it can. */
export function badName(path: string): string | undefined {
  if (path.startsWith('/')) return 'has an absolute name';
  if (path.split('/').includes('..')) return 'has a name that climbs out with ..';
  if (/[\0\n\r]/.test(path)) return 'has a NUL or a line break in its name';
  if (path.includes('\uFFFD')) return 'has a name that is not UTF-8';
  return undefined;
}

function badType(member: Member): string | undefined {
  return member.type === 'other'
    ? `is of type ${member.typeName}; a source tree has files, directories and links`
    : undefined;
}

function collision(before: Member | undefined, now: Member): string | undefined {
  if (before === undefined) return undefined;
  if (before.type === now.type && (now.type === 'directory' || now.type === 'file')) return undefined;
  return `comes twice: as a ${before.type} and as a ${now.type}`;
}
