import type { BuildEvent, EventSink, StepName, VariantResult } from '../pipeline/events.ts';
import { formatSeconds } from '../platform/clock.ts';
import { KilnError } from '../platform/errors.ts';
import { formatBytes, styled } from './output.ts';

/** Shows events as they come, on stderr. */
export interface ProgressView {
  readonly sink: EventSink;
  /** Takes the live lines down; nothing is shown after. */
  end(): void;
}

const MODES: readonly string[] = ['auto', 'tty', 'plain', 'json', 'none'];

/** The view for `--progress`. @throws KilnError `usage` for a mode that there is not */
export async function progressView(
  mode: string,
  stream: NodeJS.WriteStream = process.stderr,
): Promise<ProgressView> {
  if (!MODES.includes(mode)) {
    throw new KilnError('usage', `--progress ${mode}: there is no such mode`, {
      hint: `expected ${MODES.join(', ')}`,
    });
  }
  const live = mode === 'tty' || (mode === 'auto' && stream.isTTY && process.env.TERM !== 'dumb');
  if (live) return liveView(stream);
  if (mode === 'none') return { sink: () => undefined, end: () => undefined };
  if (mode === 'json') {
    return { sink: (event) => stream.write(`${JSON.stringify(event)}\n`), end: () => undefined };
  }
  return {
    sink: (event) => {
      const line = describeEvent(event);
      if (line !== undefined) stream.write(`${line}\n`);
    },
    end: () => undefined,
  };
}

/** One line for an event that is worth one in a log; undefined for what only moves a live display. */
export function describeEvent(event: BuildEvent): string | undefined {
  switch (event.type) {
    case 'started':
      return `${event.variant}: started, log ${event.log}`;
    case 'step-started':
    case 'progress':
      return undefined;
    case 'step-hit':
      return `${event.variant}: ${event.step}: ${event.detail} (cached)`;
    case 'step-done':
      return `${event.variant}: ${event.step}: ${event.detail} (${formatSeconds(event.seconds)})`;
    case 'step-skipped':
      return `${event.variant}: ${event.step} ${styled('yellow', 'skipped')}: ${event.reason}`;
    case 'step-failed':
      return `${event.variant}: ${event.step} ${styled('red', 'failed')}: ${event.reason}`;
    case 'source':
      return describeSource(event.variant, event.source);
    case 'warning':
      return `${styled('yellow', 'warning:')} ${event.variant === null ? '' : `${event.variant}: `}${event.sentence}`;
    case 'finished':
      return `${event.variant}: ${paintStatus(event.result)} in ${formatSeconds(event.result.seconds)}`;
  }
}

function describeSource(
  variant: string,
  source: Extract<BuildEvent, { type: 'source' }>['source'],
): string | undefined {
  switch (source.status) {
    case 'retrying':
      return `${variant}: ${source.source}: ${source.reason}; trying again (attempt ${source.attempt})`;
    case 'resumed':
      return `${variant}: ${source.source}: resumed at ${formatBytes(source.at)}`;
    default:
      return undefined;
  }
}

/** A result's status in its colour. */
export function paintStatus(result: Pick<VariantResult, 'status'>, stream?: NodeJS.WriteStream): string {
  const colours = { published: 'green', built: 'green', failed: 'red', cancelled: 'yellow' } as const;
  return styled(colours[result.status], result.status, stream);
}

interface Line {
  step: StepName | undefined;
  stepSince: number;
  text: string;
}

/** One live line for each running variant: step, elapsed time, what it is at. Lasting lines go above. */
async function liveView(stream: NodeJS.WriteStream): Promise<ProgressView> {
  // It takes as long to load as half of Kiln.
  const { createLogUpdate } = await import('log-update');
  const update = createLogUpdate(stream, { showCursor: true });
  const running = new Map<string, Line>();
  let isOver = false;
  const draw = () => {
    if (isOver) return;
    const width = Math.max(20, (stream.columns ?? 80) - 1);
    const names = Math.max(0, ...[...running.keys()].map((name) => name.length));
    update(
      [...running]
        .map(([name, line]) => {
          const seconds = formatSeconds((Date.now() - line.stepSince) / 1000);
          const head = `${name.padEnd(names)}  ${(line.step ?? 'waiting').padEnd(8)} ${seconds.padStart(8)}`;
          return `${head}  ${line.text}`.slice(0, width);
        })
        .join('\n'),
    );
  };
  const timer = setInterval(draw, 125);
  timer.unref();
  const lasting = (line: string) => {
    if (!isOver) update.clear();
    stream.write(`${line}\n`);
    draw();
  };
  return {
    sink(event) {
      if (event.type === 'started') {
        running.set(event.variant, { step: undefined, stepSince: Date.now(), text: '' });
      } else if (event.type === 'finished') {
        running.delete(event.variant);
      } else if ('variant' in event && event.variant !== null) {
        advance(running.get(event.variant), event);
      }
      if (event.type === 'finished' || event.type === 'warning' || event.type === 'step-skipped') {
        const line = describeEvent(event);
        if (line !== undefined) lasting(line);
      }
    },
    end() {
      isOver = true;
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}

function advance(line: Line | undefined, event: BuildEvent): void {
  if (line === undefined) return;
  if (event.type === 'step-started') {
    line.step = event.step;
    line.stepSince = Date.now();
    line.text = '';
  } else if (event.type === 'progress') {
    line.text = event.text;
  } else if (event.type === 'source') {
    line.text = sourceText(event.source);
  }
}

function sourceText(source: Extract<BuildEvent, { type: 'source' }>['source']): string {
  if (source.status !== 'downloading') return `${source.source}: ${source.status}`;
  const { received, total } = source;
  if (total === undefined) return `${source.source}: ${formatBytes(received)}`;
  const width = 24;
  const done = Math.floor((width * received) / total);
  const bar = `${'#'.repeat(done)}${'-'.repeat(width - done)}`;
  return `${source.source}: [${bar}] ${formatBytes(received)} of ${formatBytes(total)}`;
}
