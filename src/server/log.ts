/** One thing that a server says of itself, for people and for programs. */
export interface LogEntry {
  readonly level: 'info' | 'warning' | 'error';
  /** What it is, in a word that stays the same: `job-started`. */
  readonly event: string;
  readonly message: string;
  /** What it is about. */
  readonly fields?: Readonly<Record<string, string | number | boolean | null>>;
}

export type Log = (entry: LogEntry) => void;
