import { KilnError } from '../platform/errors.ts';
import type { Block } from './blocks.ts';

/** A `filename` statement of dhcpd.conf. */
interface BootFile {
  /** Counts from 0. */
  readonly line: number;
  /** It has its line to itself. */
  readonly alone: boolean;
  /** What it is inside of, outermost first: `subnet 192.168.0.0 netmask 255.255.255.0`. */
  readonly within: readonly string[];
}

/**
 * Pure: what is to be put into dhcpd.conf (dhcpd.conf(5)): the include, and where the file names one boot file for all
 * nodes already, its line out of the way, which else would go before the include's.
 * @param include the path of the included file, as dhcpd sees it
 * @throws KilnError `failed` where more than one boot file is named: which nodes are to get which is not Kiln's to say
 */
export function dhcpdBlocks(text: string, include: string, file: string): Block[] {
  const boot = bootFiles(text).filter(({ within }) => !within.some((scope) => /^host\b/.test(scope)));
  const blocks: Block[] = [{ name: 'include', lines: [`include "${include}";`], place: { at: 'end' } }];
  const [only, ...others] = boot;
  if (only === undefined) return blocks;
  const lines = text.split('\n');
  if (others.length > 0 || !only.alone) {
    throw new KilnError('failed', `${file} says in ${boot.length} places which file nodes boot`, {
      place: { file, line: only.line + 1 },
      lines: boot.map(({ line }) => `${line + 1}: ${lines[line]?.trim()}`),
      hint: `edit it by hand and include "${include}" where it belongs; --no-dhcpd leaves it alone`,
    });
  }
  return [{ name: 'filename', lines: [], place: { at: 'line', line: lines[only.line] ?? '' } }, ...blocks];
}

function bootFiles(text: string): BootFile[] {
  const found: BootFile[] = [];
  const within: string[] = [];
  let statement = '';
  text.split('\n').forEach((whole, line) => {
    // Strings first: they may hold any of the other characters.
    const code = whole.replaceAll(/"[^"]*"/g, '""').replace(/#.*/, '');
    for (const part of code.split(/([{};])/)) {
      if (part === '{') {
        within.push(statement.trim());
        statement = '';
      } else if (part === '}') {
        within.pop();
        statement = '';
      } else if (part === ';') {
        if (/^\s*filename\b/.test(statement)) {
          found.push({ line, alone: /^\s*filename\s+""\s*;\s*$/.test(code), within: [...within] });
        }
        statement = '';
      } else statement += ` ${part}`;
    }
  });
  return found;
}
