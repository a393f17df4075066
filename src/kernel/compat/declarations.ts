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
    files: ['include/net/icmp.h', 'include/net/ipv6.h', 'include/net/udp.h'],
    guard: (peek) => peek('include/net/snmp.h') !== undefined,
    rewrite: (text) =>
      /^extern\s+struct\s+\w+_mib\s+\w+\[/m.test(text) && !text.includes('<net/snmp.h>')
        ? text.replace(/^#include[^\n]*\n/m, '$&#include <net/snmp.h>\n')
        : text,
  },
  {
    id: 'static-prototype-in-function',
    reason: 'a static prototype inside a function is an error: it moves before that function',
    files: { under: C_FOLDERS, matches: (path) => path.endsWith('.c') },
    rewrite: moveStaticPrototypes,
  },
  {
    id: 'extern-then-static',
    reason: 'a file declares extern what it defines as static further down: it declares it as static',
    files: { under: C_FOLDERS, matches: (path) => path.endsWith('.c') },
    rewrite: declareStatic,
  },
  {
    id: 'designator-without-equals',
    reason: 'a designated initializer without its equals sign is an error: it gets one',
    files: ['drivers/media/video/bttv-driver.c'],
    rewrite: (text) => text.replace(/^([ \t]*\.\w+)[ \t]+(?=\d)/gm, '$1 = '),
  },
  {
    id: 'jump-into-expression',
    reason: 'a jump into a statement expression is an error: macros that are jumped into become statements',
    files: ['drivers/net/hamradio/baycom_epp.c'],
    rewrite: (text) =>
      text.replace(/^(#define\s+\w+ITER[AB]\(j\)[ \t]*\\\n)\(\{([\s\S]*?\n)\}\)$/gm, '$1do {$2} while (0)'),
  },
  {
    id: 'parameter-array',
    reason: 'an array parameter of an incomplete struct is an error: it becomes the pointer that it is',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite: (text) =>
      ENDS_LIKE_PARAMETER.test(text) ? text.replace(PARAMETER_ARRAY, 'struct $1 *$2') : text,
  },
];

const PARAMETER_ARRAY =
  /struct\s+(\w+)\s+(\w*)\s*\[\](?<=[(,]\s*(?:const\s+)?struct\s[^()]*)(?=\s*(?:,\s*[a-z]|\)))/g;

/** Few files have it, and it is found sooner than a struct. */
const ENDS_LIKE_PARAMETER = /\[\]\s*(?:,\s*[a-z]|\))/;

const EXTERN_ARRAY = /(?<=^)extern\s+struct\s+(\w+)\s+\w+\s*\[[^\]\n]*\][^;\n]*;[^\n]*\n/gm;

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

const INNER_PROTOTYPE =
  /static\s(?<=^[ \t]+static\s)(?!\s*inline)[\w \t]+[ \t*]\w+[ \t]*\([^;{}()=]*\);(?=[ \t]*\n)/gm;

function moveStaticPrototypes(text: string): string {
  let result = text;
  for (const [prototype] of text.matchAll(INNER_PROTOTYPE)) {
    const from = result.indexOf(prototype);
    const header = functionHeader(result, from);
    if (header === undefined) continue;
    const rest = result.slice(header, from).trimEnd() + result.slice(from + prototype.length);
    result = `${result.slice(0, header)}${prototype}\n${rest}`;
  }
  return result;
}

/** Offset of the first line of the function (its return type) whose body holds `at`. */
function functionHeader(text: string, at: number): number | undefined {
  const close = text.lastIndexOf('\n}', at);
  const body = text.slice(close + 1, at);
  const alone = body.lastIndexOf('\n{');
  const open = alone >= 0 ? alone + 1 : (/^\w[^;\n]*\{[ \t]*$/m.exec(body)?.index ?? -1);
  if (open < 0) return undefined;
  let start = close + 1 + open;
  while (start > 0) {
    const previous = text.lastIndexOf('\n', start - 2) + 1;
    const line = text.slice(previous, start - 1);
    if (/^\s*$|^[}#]|^\s*\*|\*\/\s*$|;\s*$/.test(line)) break;
    start = previous;
  }
  return start;
}

const FORWARD = /extern\s(?<=^extern\s)\s*([\w \t*]*[ \t*](\w+)(?:\([^;{}]*\))?;)/gm;

const STATIC_NAME = /^static\s[\w \t*]*\b(\w+)\s*[[=;(]/gm;

function declareStatic(text: string): string {
  if (!text.includes('\nextern') && !text.startsWith('extern')) return text;
  let known: Map<string, number[]> | undefined;
  return text.replace(FORWARD, (whole: string, declaration: string, name: string, at: number) => {
    known ??= staticNames(text);
    const end = at + whole.length;
    const definition = known.get(name)?.find((offset) => offset >= end);
    const isDefined = definition !== undefined && !hasAlternative(text.slice(end, definition));
    return isDefined ? `static ${declaration}` : whole;
  });
}

/** Where lines begin that define a name as static, or declare it so. */
function staticNames(text: string): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const { 1: name = '', index } of text.matchAll(STATIC_NAME)) {
    const offsets = found.get(name);
    if (offsets === undefined) found.set(name, [index]);
    else offsets.push(index);
  }
  return found;
}

/** True where what follows a piece of source is the other branch of a condition that the piece began in. */
function hasAlternative(source: string): boolean {
  let depth = 0;
  for (const [, word] of source.matchAll(/^[ \t]*#[ \t]*(if|else|elif|endif)/gm)) {
    if (word === 'if') depth++;
    else if (word === 'endif') depth--;
    else if (depth <= 0) return true;
  }
  return false;
}
