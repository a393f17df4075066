import { setTimeout as sleep } from 'node:timers/promises';
import { type Lock, type LockHolder, tryLock } from '../platform/lock.ts';

const POLL_MS = 100;

/**
 * Takes a lock, waiting for as long as another process holds it.
 * @param onWait called once, when it has to wait
 * @throws the signal's reason when it is aborted meanwhile
 */
export async function waitForLock(
  path: string,
  what: string,
  signal: AbortSignal,
  onWait: (holder: LockHolder | undefined) => void,
): Promise<{ readonly lock: Lock; readonly waited: boolean }> {
  let waited = false;
  for (;;) {
    signal.throwIfAborted();
    const taken = tryLock(path, what);
    if ('release' in taken) return { lock: taken, waited };
    if (!waited) onWait(taken.heldBy);
    waited = true;
    // The kernel tells nobody that a file lock is free again, so it has to be asked.
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}
