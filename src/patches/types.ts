/**
 * What a patch says, and what became of it. Names are the field's: a *patch* holds *sections*, one per
 * file; a section holds *hunks*. Lines count from 1.
 */

/** One patch of a series, as it comes from its source. */
export interface PatchInput {
  /** What reports and errors call it, e.g. `openMosix-2.4.22-2`. */
  readonly name: string;
  /** The patch itself, already decompressed. */
  readonly bytes: Uint8Array;
  /** Leading name components to drop (GNU patch's `-p`); undefined: found by trying. */
  readonly strip?: number;
  /** How many context lines may be ignored at each end of a hunk (GNU patch's `--fuzz`); 0 by default. */
  readonly fuzz?: number;
}

/**
 * A hunk, whatever notation it was written in. `body` is in the unified notation: every line starts with
 * ` `, `-`, `+` or `\` and ends with a newline.
 */
export interface Hunk {
  /** Line of the patch where the hunk's header stands. */
  readonly line: number;
  readonly oldStart: number;
  readonly oldCount: number;
  readonly newStart: number;
  readonly newCount: number;
  readonly body: Uint8Array;
  /** Context lines before the first change, and after the last one. */
  readonly prefix: number;
  readonly suffix: number;
  /** The last line of that side has no newline. */
  readonly oldNoNewline: boolean;
  readonly newNoNewline: boolean;
  /** What stands behind the second `@@`: by custom the function the hunk is in. */
  readonly heading: string;
}

/** One half of a `GIT binary patch`, inflated: the new content, or the delta that makes it. */
export interface BinaryHunk {
  readonly kind: 'literal' | 'delta';
  readonly data: Uint8Array;
}

/** All that a patch says about one file. */
export interface FileSection {
  /** Line of the patch where this section starts. */
  readonly line: number;
  readonly notation: 'unified' | 'context' | 'git';
  /** Names as written, not stripped; undefined where there is none, or where it is `/dev/null`. */
  readonly oldName: string | undefined;
  readonly newName: string | undefined;
  readonly indexName: string | undefined;
  /** The file comes into being: `/dev/null`, an epoch time stamp, or git's `new file mode`. */
  readonly creates: boolean;
  /** The file goes away: likewise. */
  readonly deletes: boolean;
  /** git only: names without the a/ and b/ prefixes. */
  readonly renameFrom: string | undefined;
  readonly copyFrom: string | undefined;
  /** git only: modes such as 0o100644. */
  readonly oldMode: number | undefined;
  readonly newMode: number | undefined;
  /** git only: (abbreviated) blob names of both sides. */
  readonly oldBlob: string | undefined;
  readonly newBlob: string | undefined;
  readonly binary: { readonly forward: BinaryHunk; readonly reverse: BinaryHunk | undefined } | undefined;
  /** The header lines end in CR LF: the hunks' own CRs may be the transport's. */
  readonly crlf: boolean;
  readonly hunks: readonly Hunk[];
}

export interface ParsedPatch {
  readonly name: string;
  readonly sections: readonly FileSection[];
  /** Bytes before the first section: mail header, description. */
  readonly preamble: Uint8Array;
}

export type HunkStatus = 'applied' | 'already' | 'rejected' | 'ambiguous';
export type FileAction = 'modify' | 'create' | 'delete' | 'rename' | 'mode';

/** What became of one hunk. */
export interface HunkReport {
  /** Line in the patched file where the hunk landed, as GNU patch counts; where it was expected if it did not. */
  readonly at: number;
  /** Lines between the stated and the real place in the file as it was found. */
  readonly offset: number;
  /** Context lines that were ignored at the longer end. */
  readonly fuzz: number;
  readonly status: HunkStatus;
  /** Line of the patch where the hunk's header stands. */
  readonly line: number;
  /** The file's line where the patch says the hunk belongs. */
  readonly stated: number;
  /** Why it did not land, in words. */
  readonly reason?: string;
  /** All lines where it fits, when it is ambiguous. */
  readonly fits?: readonly number[];
  /** What the file has instead, when it fits nowhere. */
  readonly nearest?: NearMiss;
  /** Lines that fuzz passed over: what the patch expected and what the file has. */
  readonly ignored?: readonly { readonly expected: string; readonly found: string | undefined }[];
  /** Earlier patch of the series that last touched these lines. */
  readonly touchedBy?: string;
  /** The rejected hunk's body in the unified notation, for the `.rej`. */
  readonly hunk?: Hunk;
}

/** The place that comes nearest to what a hunk expects. */
export interface NearMiss {
  /** First line of that place in the file. */
  readonly at: number;
  /** How many of the expected lines are there. */
  readonly matching: number;
  readonly of: number;
  /** Both sides, aligned; an absent side has no such line. */
  readonly rows: readonly SideBySide[];
}

export interface SideBySide {
  readonly same: boolean;
  readonly line: number | undefined;
  readonly expected: string | undefined;
  readonly found: string | undefined;
}

export interface FileReport {
  readonly path: string;
  /** The other name of a rename or copy. */
  readonly from?: string;
  readonly action: FileAction;
  readonly hunks: readonly HunkReport[];
  /** Set when the section as a whole could not be done, e.g. there is no such file. */
  readonly problem?: string;
  /** The file as a whole has what the patch wants already. */
  readonly already?: boolean;
  /** The hunks' line ends were CR LF and the file's are not. */
  readonly crlfStripped?: boolean;
  /** Line of the patch where the section starts. */
  readonly line: number;
}

export interface PatchReport {
  readonly name: string;
  readonly strip: number;
  /** Every hunk landed. */
  readonly ok: boolean;
  /** Nothing to do: the tree has all of it already. */
  readonly already: boolean;
  readonly files: readonly FileReport[];
}

export interface SeriesReport {
  /** The series applies whole, or the tree has all of it already. */
  readonly ok: boolean;
  /** The tree has the whole series already; nothing was, or would be, written. */
  readonly already: boolean;
  readonly patches: readonly PatchReport[];
  /** For each path that changed, the names of the patches that changed it, in order. */
  readonly touchedBy: Readonly<Record<string, readonly string[]>>;
}

/** What happens while a series is applied. */
export type PatchEvent =
  | { readonly type: 'patch-started'; readonly patch: string }
  | { readonly type: 'patch-placed'; readonly patch: string; readonly report: PatchReport }
  | { readonly type: 'series-recovered'; readonly tree: string; readonly how: 'finished' | 'undone' }
  | { readonly type: 'series-applied'; readonly files: number };
