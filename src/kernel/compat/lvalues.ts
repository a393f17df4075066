import { C_FOLDERS, type CompatRule, isCSource } from './rule.ts';

const POINTER_CAST = String.raw`\(\s*((?:(?:const|volatile|unsigned|signed|struct|union)\s+)*\w+(?:\s+\w+)?\s*\*+)\s*\)`;
const NAME = String.raw`\w+(?:(?:->|\.)\w+|\[\w+\])*`;
const OPERAND = String.raw`(${NAME}|\(${NAME}\))`;
const STEP = String.raw`(\s*(?:\+\+|--|[+-]=))`;
const CHANGE = String.raw`(\s*(?:[+-]=|=(?!=)))`;
/** Not behind a star (that would be a store through the cast pointer), nor a call's argument list. */
const NOT_THROUGH = String.raw`(?<![*\w]|\*\s)`;

/** `((T *)p)++`, `((T *)p) += n`. */
const STEPPED = new RegExp(String.raw`(?<!\w)\(${POINTER_CAST}\s*${OPERAND}\s*\)${STEP}`, 'g');
/** `((T *)p) = q`. */
const WRAPPED = new RegExp(String.raw`${NOT_THROUGH}\(${POINTER_CAST}\s*${OPERAND}\s*\)(\s*=(?!=))`, 'g');
/** `(T *)p = q`, `(T *)p += n`. */
const BARE = new RegExp(String.raw`${NOT_THROUGH}${POINTER_CAST}\s*${OPERAND}${CHANGE}`, 'g');
/** `++(T *)p`. */
const PREFIXED = new RegExp(String.raw`(\+\+|--)${POINTER_CAST}\s*(\w+)(?=\s*[;,)])`, 'g');

/** What every one of these holds; a quick look before the others. */
const CANDIDATE = new RegExp(String.raw`\*\s*\)\s*${OPERAND}\s*\)?\s*(?:\+\+|--|[+-]?=(?!=))|(?:\+\+|--)\(`);

/** A macro that is a cast member, of a name that ATM drivers assign through: `((struct x *)(dev)->dev_data)`. */
const DATA_MACRO = new RegExp(
  String.raw`^(#define\s+\w+\(\w+\)\s+)\(${POINTER_CAST}\s*(\(?\w+\)?->(?:dev|phy)_data|\(\(?\w+\)?->(?:dev|phy)_data\))\)`,
  'gm',
);

/** `(long)p->priv = 0`, where `priv` is a pointer. */
const AS_NUMBER = new RegExp(
  String.raw`${NOT_THROUGH}\((u?long|unsigned long)\)\s*${OPERAND}(\s*=(?!=))`,
  'g',
);

/** A value that is cast to the type it has: `(T)(((T *)p)[i]) = 0`. */
const NEEDLESS = /\((unsigned(?: \w+)+)\)\s*(\(\(\(\1 \*\)\s*\(?\w+\)?\)\[[^\]]*\]\))(?=\s*=(?!=))/g;

/** A statement `(T)n = m` where T is no pointer, and `((T)n) |= m`: the name keeps the type that it has. */
const NUMBER = /(?<=^[ \t]*|=\s*)\((?:ulong|unsigned short)\)\s*([\w.]+|\([\w.[\]]+\))(?=\s*=(?!=))/gm;
const WRAPPED_NUMBER = /(?<=^[ \t]*)\(\(int\)([\w>-]+)\)(?=\s*[&|]=)/gm;

export const LVALUE_RULES: readonly CompatRule[] = [
  {
    id: 'cast-lvalue',
    reason:
      'a cast is no lvalue any more: the pointer is changed through a pointer to it of the type that was meant',
    files: { under: C_FOLDERS, matches: isCSource },
    rewrite: (text) => {
      if (!CANDIDATE.test(text)) return text;
      return text
        .replace(STEPPED, '(*($1*)&$2)$3')
        .replace(WRAPPED, '(*($1*)&$2)$3')
        .replace(BARE, '(*($1*)&$2)$3')
        .replace(PREFIXED, '$1(*($2*)&$3)');
    },
  },
  {
    id: 'cast-lvalue-macro',
    reason: 'a macro that casts a member is assigned through: it becomes an lvalue',
    files: { under: ['drivers/atm'], matches: isCSource },
    rewrite: (text) => text.replace(DATA_MACRO, '$1(*($2*)&$3)'),
  },
  {
    id: 'cast-lvalue-number',
    reason: 'a pointer is assigned to as if it were a number: it is written through a pointer to that',
    files: ['drivers/isdn/hisax/hfc_pci.c', 'drivers/usb/ax8817x.c'],
    rewrite: (text) => text.replace(AS_NUMBER, '(*($1 *)&$2)$3'),
  },
  {
    id: 'cast-lvalue-needless',
    reason: 'an lvalue is cast to the type that it has, and is none any more: the cast goes',
    files: ['drivers/scsi/atp870u.c', 'fs/intermezzo/sysctl.c'],
    rewrite: (text) => text.replace(NEEDLESS, '$2').replace(/(?<=\bPRESTO_ALLOC\()\(void\s?\*\)/g, ''),
  },
  {
    id: 'cast-lvalue-of-number',
    reason:
      'a number that is cast is no lvalue any more, and never kept more than its own type: the cast goes',
    files: ['drivers/isdn/hisax/callc.c', 'drivers/video/sis/sis_main.c', 'fs/intermezzo/presto.c'],
    rewrite: (text) => text.replace(NUMBER, '$1').replace(WRAPPED_NUMBER, '$1'),
  },
  {
    id: 'cast-lvalue-request',
    reason: "a macro that casts a request's link is assigned through: it becomes an lvalue",
    files: ['drivers/scsi/advansys.c'],
    rewrite: (text) =>
      text.replace(
        /^(#define\s+\w+\((\w+)\)\s+)\(\((REQP)\)\s*(\(\(\2\)->host_scribble\))\)/m,
        '$1(*($3 *) &$4)',
      ),
  },
  {
    id: 'comma-lvalue',
    reason: 'a comma expression is no lvalue any more: the comma goes into the index',
    files: ['include/linux/irq_cpustat.h'],
    rewrite: (text) =>
      text.replace(/\(\(void\)\((\w+)\),\s*(\w+)\[0\]\.(\w+)\)/g, '($2[((void)($1), 0)].$3)'),
  },
];
