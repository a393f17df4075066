import { nowIso } from '../platform/clock.ts';
import type { Log } from '../server/log.ts';
import { note, styled } from './output.ts';

/**
 * How a server says what it does, on stderr: lines for people, or with `--progress json` a document a line for
 * programs (`at`, `level`, `event`, `message`, and what it is about), or with `--progress none` nothing but errors.
 */
export function serverLog(mode: string): Log {
  return ({ level, event, message, fields }) => {
    if (mode === 'none' && level !== 'error') return;
    if (mode === 'json') return note(JSON.stringify({ at: nowIso(), level, event, message, ...fields }));
    const mark = { info: '', warning: styled('yellow', 'warning: '), error: styled('red', 'error: ') }[level];
    note(`${mark}${message}`);
  };
}
