import { matchingBrace } from './c-text.ts';
import { C_FOLDERS, type CompatRule, isCSource } from './rule.ts';

export const DECLARATION_RULES: readonly CompatRule[] = [
  {
    id: 'incomplete-array',
    reason:
      'an extern array of a struct that is defined further down is an error: it moves behind the struct',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite: moveArraysBehindStructs,
  },
  {
    id: 'array-of-unknown-struct',
    reason: 'an extern array of a struct that another header defines is an error: that header is included',
    files: ['include/net/icmp.h', 'include/net/ipv6.h'],
    guard: (peek) => peek('include/net/snmp.h') !== undefined,
    rewrite: (text) =>
      /^extern\s+struct\s+\w+_mib\s+\w+\[/m.test(text) && !text.includes('<net/snmp.h>')
        ? text.replace(/^#include[^\n]*\n/m, '$&#include <net/snmp.h>\n')
        : text,
  },
  {
    id: 'static-after-extern',
    reason: 'a header declares extern what a file defines as static: the header lets go of it',
    files: ['include/linux/fs.h'],
    guard: (peek) => /^static\s+char\s+root_device_name\[/m.test(peek('init/do_mounts.c') ?? ''),
    rewrite: (text) => text.replace(/^extern\s+char\s+root_device_name\[\];[ \t]*\n/m, ''),
  },
  {
    id: 'static-prototype-in-function',
    reason: 'a static prototype inside a function is an error: it moves before that function',
    files: { under: ['drivers/net'], matches: (path) => path.endsWith('.c') },
    rewrite: moveStaticPrototypes,
  },
];

const EXTERN_ARRAY = /^extern\s+struct\s+(\w+)\s+\w+\s*\[[^\]\n]*\][^;\n]*;[^\n]*\n/gm;

function moveArraysBehindStructs(text: string): string {
  let result = text;
  for (const match of text.matchAll(EXTERN_ARRAY)) {
    const definition = new RegExp(`^struct\\s+${match[1]}\\s*\\{`, 'm').exec(result);
    const from = result.indexOf(match[0]);
    if (definition === null || from < 0 || definition.index < from) continue;
    const close = matchingBrace(result, definition.index + definition[0].length - 1);
    const end = close === undefined ? -1 : result.indexOf('\n', close);
    if (end < 0) continue;
    result =
      result.slice(0, from) +
      result.slice(from + match[0].length, end + 1) +
      match[0] +
      result.slice(end + 1);
  }
  return result;
}

const INNER_PROTOTYPE = /^[ \t]+(static\s+(?!inline)[\w \t]+[ \t*]\w+\([^;{}()=]*\);)[ \t]*\n/gm;

function moveStaticPrototypes(text: string): string {
  let result = text;
  for (const match of text.matchAll(INNER_PROTOTYPE)) {
    const prototype = match[1];
    const from = result.indexOf(match[0]);
    const header = functionHeader(result, from);
    if (prototype === undefined || header === undefined) continue;
    result = `${result.slice(0, header)}${prototype}\n${result.slice(header, from)}${result.slice(from + match[0].length)}`;
  }
  return result;
}

/** Offset of the first line of the function (its return type) whose body holds `at`. */
function functionHeader(text: string, at: number): number | undefined {
  const open = text.lastIndexOf('\n{', at);
  const close = text.lastIndexOf('\n}', at);
  if (open < 0 || close > open) return undefined;
  let start = open + 1;
  while (start > 0) {
    const previous = text.lastIndexOf('\n', start - 2) + 1;
    const line = text.slice(previous, start - 1);
    if (/^\s*$|^[}#]|^\s*\*|\*\/\s*$|;\s*$/.test(line)) break;
    start = previous;
  }
  return start;
}
