/**
 * A symbol's text in Documentation/Configure.help: the indented and empty lines below the line that is the
 * symbol, as scripts/Configure finds it, without the indentation. Undefined where there is none.
 */
export function configureHelp(helpFile: string, symbol: string): string | undefined {
  const start = new RegExp(`^${symbol}[ \\t]*$`, 'm').exec(helpFile);
  if (start === null || !/^\w+$/.test(symbol)) return undefined;
  const lines: string[] = [];
  for (const line of helpFile.slice(start.index + start[0].length + 1).split('\n')) {
    if (line.startsWith('#')) continue;
    if (/^[^ \t]/.test(line)) break;
    lines.push(line.replace(/^ {2}|^\t/, ''));
  }
  const text = lines
    .join('\n')
    .replace(/<file:([^>]*)>/g, '$1')
    .trim();
  return text === '' ? undefined : text;
}
