import { C_FOLDERS, type CompatRule, isCSource } from './rule.ts';

const POINTER_CAST = String.raw`\(\s*((?:(?:const|volatile|unsigned|signed|struct|union)\s+)*\w+(?:\s+\w+)?\s*\*+)\s*\)`;
const OPERAND = String.raw`(\w+(?:(?:->|\.)\w+|\[\w+\])*)`;
const CHANGES = String.raw`(\s*(?:\+\+|--|\+=|-=))`;
const STATEMENT_START = String.raw`([;{}]\s*(?:/\*[^*]*\*/\s*)?)`;

/** `((T *)p)++`, `((T *)p) += n`. */
const CHANGED = new RegExp(String.raw`\(${POINTER_CAST}\s*${OPERAND}\s*\)${CHANGES}`, 'g');
/** `((T *)p) = q;` as a statement; behind a star it would be a store through a pointer, which is fine. */
const ASSIGNED = new RegExp(String.raw`${STATEMENT_START}\(${POINTER_CAST}\s*${OPERAND}\s*\)(\s*=[^=])`, 'g');
/** `(T *)p += n;` and `(T *)p = q;` as statements. */
const BARE = new RegExp(
  String.raw`${STATEMENT_START}${POINTER_CAST}\s*${OPERAND}(\s*(?:\+=|-=|=(?!=)))`,
  'g',
);

export const LVALUE_RULES: readonly CompatRule[] = [
  {
    id: 'cast-lvalue',
    reason:
      'a cast is no lvalue any more: the pointer is changed through a pointer to it of the type that was meant',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite(text) {
      if (!text.includes('*')) return text;
      return text
        .replace(CHANGED, '(*($1*)&$2)$3')
        .replace(ASSIGNED, '$1(*($2*)&$3)$4')
        .replace(BARE, '$1(*($2*)&$3)$4');
    },
  },
  {
    id: 'comma-lvalue',
    reason: 'a comma expression is no lvalue any more: the comma goes into the index',
    files: ['include/linux/irq_cpustat.h'],
    rewrite: (text) =>
      text.replace(/\(\(void\)\((\w+)\),\s*(\w+)\[0\]\.(\w+)\)/g, '($2[((void)($1), 0)].$3)'),
  },
];
