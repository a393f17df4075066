/** Lines around a change that are shown with it. */
const CONTEXT = 3;

/**
 * The difference of two texts as one hunk of a unified diff (POSIX diff -u), which patch(1) applies; empty where they
 * are the same.
 */
export function unifiedDiff(from: string, to: string, fromName: string, toName: string): string {
  if (from === to) return '';
  const [old, fresh] = [linesOf(from), linesOf(to)];
  let head = 0;
  while (head < old.length && head < fresh.length && old[head] === fresh[head]) head++;
  let tail = 0;
  const most = Math.min(old.length, fresh.length) - head;
  while (tail < most && old[old.length - 1 - tail] === fresh[fresh.length - 1 - tail]) tail++;
  const start = Math.max(0, head - CONTEXT);
  const after = Math.min(tail, CONTEXT);
  const [oldEnd, freshEnd] = [old.length - tail, fresh.length - tail];
  const marked = (sign: string, lines: readonly string[]) =>
    lines.map((line) =>
      line.endsWith('\n') ? `${sign}${line}` : `${sign}${line}\n\\ No newline at end of file\n`,
    );
  const range = (end: number) => `${end + after === start ? start : start + 1},${end + after - start}`;
  return [
    `--- ${fromName}\n+++ ${toName}\n@@ -${range(oldEnd)} +${range(freshEnd)} @@\n`,
    ...marked(' ', old.slice(start, head)),
    ...marked('-', old.slice(head, oldEnd)),
    ...marked('+', fresh.slice(head, freshEnd)),
    ...marked(' ', old.slice(oldEnd, oldEnd + after)),
  ].join('');
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
