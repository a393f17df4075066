/** A run of text in one style: classes of app.css. */
export interface Run {
  readonly text: string;
  readonly style: string;
}

const COLOURS = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];

/** Pure: a line of a terminal's output (ECMA-48, 8.3.117) as styled runs; other control sequences are left out. */
export function runsOf(line: string): Run[] {
  const runs: Run[] = [];
  let colour = '';
  let bold = '';
  for (const part of line.replaceAll('\r', '').split(/(\x1b\[[0-9;]*m)/)) {
    const codes = /^\x1b\[([0-9;]*)m$/.exec(part)?.[1];
    if (codes === undefined) {
      const text = part.replaceAll(/\x1b(\[[0-?]*[ -/]*[@-~]|.)?/g, '');
      if (text !== '') runs.push({ text, style: `${colour} ${bold}`.trim() });
      continue;
    }
    for (const code of codes.split(';').map(Number)) {
      if (code === 0) [colour, bold] = ['', ''];
      else if (code === 1) bold = 'bold';
      else if (code === 22) bold = '';
      else if (code === 39) colour = '';
      else if (code >= 30 && code <= 37) colour = `ansi-${COLOURS[code - 30]}`;
      else if (code >= 90 && code <= 97) colour = `ansi-${COLOURS[code - 90]}`;
    }
  }
  return runs;
}
