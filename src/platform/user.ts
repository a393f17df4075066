import { userInfo } from 'node:os';

/** Who runs this, for histories: the login name, or the number of a user whom the system has no name for. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
