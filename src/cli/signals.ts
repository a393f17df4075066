import { KilnError } from '../platform/errors.ts';
import { killAllGroups } from '../platform/process.ts';

/**
 * A signal that stops the work: aborted by Ctrl-C or SIGTERM, with the KilnError that says which. A second
 * one ends everything at once.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const stop = (kind: 'interrupted' | 'terminated') => {
    const error = new KilnError(kind, kind, {
      hint: 'what is finished is kept: the same command goes on from there',
    });
    if (controller.signal.aborted) {
      killAllGroups();
      process.exit(error.exitCode);
    }
    controller.abort(error);
  };
  process.on('SIGINT', () => stop('interrupted'));
  process.on('SIGTERM', () => stop('terminated'));
  return controller.signal;
}
