import { applyEdits, type Edit, matchingBrace } from './c-text.ts';
import { C_FOLDERS, type CompatRule, isCSource } from './rule.ts';

/** Names that a header declares extern and one file defines as static, though others could use them. */
const DECLARED_EXTERN: Readonly<Record<string, readonly string[]>> = {
  'fs/buffer.c': ['nr_buffers', 'nr_buffer_heads'],
  'fs/proc/base.c': ['proc_pid_fd'],
  'fs/nfs/inode.c': ['nfs_rpcstat'],
  'net/ipv4/ipconfig.c': ['ic_proto_enabled'],
};

export const DECLARATION_RULES_2_2: readonly CompatRule[] = [
  {
    id: 'kept-compound-literal',
    reason:
      'a compound literal in a function was kept for ever and is on the stack now: what was registered with one is read after the function is gone. It becomes a static variable',
    files: { under: C_FOLDERS, matches: (path) => path.endsWith('.c') },
    rewrite(text) {
      const edits = [...text.matchAll(LITERAL)].flatMap((match) => keepLiteral(text, match));
      return edits.length === 0 ? text : applyEdits(text, edits);
    },
  },
  {
    id: 'module-information',
    reason: "a header opens .modinfo without attributes, which the compiler's own use of it contradicts",
    files: ['include/linux/module.h'],
    rewrite: (text) => text.replace(/^__asm__\("\.section \.modinfo\\n\\t\.previous"\);[ \t]*\n/m, ''),
  },
  {
    id: 'volatile-time',
    reason:
      'the clock is declared as one type and defined as another: the declaration follows the definition',
    files: ['include/linux/sched.h'],
    guard: (peek) => /^volatile struct timeval xtime\b/m.test(peek('kernel/sched.c') ?? ''),
    rewrite: (text) =>
      text.replace(/^extern struct timeval xtime;/m, 'extern volatile struct timeval xtime;'),
  },
  {
    id: 'static-of-extern-2.2',
    reason: 'a file defines as static what its header declares extern: the definition is not static any more',
    files: Object.keys(DECLARED_EXTERN),
    rewrite: (text, path) =>
      (DECLARED_EXTERN[path] ?? []).reduce(
        (result, name) =>
          result.replace(new RegExp(`^static\\s+((?:[\\w\\s*]*[\\s*])${name}\\b)`, 'm'), '$1'),
        text,
      ),
  },
  {
    id: 'static-name-in-use',
    reason:
      'a file has a static table of the name of another, and used its own before that as well: it gets a name of its own',
    files: ['fs/proc/root.c'],
    rewrite(text) {
      const name = 'proc_link_inode_operations';
      if (text.includes(`own_${name}`) || !text.includes(`static struct inode_operations ${name} =`))
        return text;
      const end = behindIncludes(text);
      const own = `#define ${name} own_${name}\nstatic struct inode_operations ${name};\n`;
      return text.slice(0, end) + own + text.slice(end);
    },
  },
  {
    id: 'function-name-in-assertion',
    reason:
      '__FUNCTION__ is no string literal any more and joins none: it becomes "%s" in the format and an argument',
    files: { under: ['net/sched', 'include/net'], matches: isCSource },
    rewrite: (text) =>
      text.replace(/"\(%d\):" __FUNCTION__ "\\n", __LINE__\)/g, '"(%d):%s\\n", __LINE__, __FUNCTION__)'),
  },
  {
    id: 'array-of-private-struct',
    reason:
      'a header declares arrays of a struct that only the file system itself knows, an error elsewhere: it is told of them alone',
    files: ['include/linux/hfs_fs.h'],
    guard: (peek) => /^#define\s+_HFS_H$/m.test(peek('fs/hfs/hfs.h') ?? ''),
    rewrite: (text) =>
      text.replace(
        /(?<!#ifdef _HFS_H\n)(?<=\n)(?:extern const struct hfs_name \w+\[\];\n)(?:extern const struct hfs_name \w+\[\];\n)*(?!#endif)/g,
        '#ifdef _HFS_H\n$&#endif\n',
      ),
  },
  {
    id: 'cast-of-what-is-assigned',
    reason: 'a cast is no lvalue any more: it goes, or changes the variable through a pointer of its type',
    files: ['drivers/net/hp100.c', 'fs/exec.c', 'fs/read_write.c'],
    rewrite: (text) =>
      text
        .replace(/\(u_int\)(mem_ptr_phys)(?= &=)/g, '(*(u_int *)&$1)')
        .replace(/\(u32\)(?=tot_len \+=)/g, '')
        .replace(/(?<== )\(char \*\) (?=page\[pos\/PAGE_SIZE\] =\s)/g, ''),
  },
  {
    id: 'undeclared-abs',
    reason: 'a freestanding compiler calls abs, which nobody defines: it becomes the builtin',
    files: ['include/linux/kernel.h'],
    rewrite: (text) =>
      /\babs\b/.test(text)
        ? text
        : text.replace(/^extern long simple_strtol\([^\n]*\n/m, '$&#define abs(x) __builtin_abs(x)\n'),
  },
  {
    id: 'export-memcmp-2.2',
    reason:
      'the compiler calls memcmp where modules compare memory: it is exported, unless the tree does so already',
    files: ['arch/i386/kernel/i386_ksyms.c'],
    rewrite: (text) =>
      /EXPORT_SYMBOL\w*\(memcmp\)|EXPORT_SYMBOL\w*\(memset\)/.test(text)
        ? text
        : text.replace(
            /^EXPORT_SYMBOL\(strstr\);[ \t]*\n/m,
            '$&#undef memcmp\nextern int memcmp(const void *, const void *, size_t);\nEXPORT_SYMBOL_NOVERS(memcmp);\n',
          ),
  },
  {
    id: 'word-operand',
    reason: 'a 16-bit move is given a 32-bit register: the operand says its size',
    files: ['arch/i386/kernel/traps.c'],
    rewrite: (text) => text.replace(/"movw %3,0\(%2\)/g, '"movw %w3,0(%2)'),
  },
];

/** The address of a compound literal of a struct, inside a function. */
const LITERAL = /&\s*\(((?:const\s+)?struct\s+\w+)\)\s*\{(?<=^[ \t][^\n]*)/gm;

function keepLiteral(text: string, match: RegExpExecArray): Edit[] {
  const open = match.index + match[0].length - 1;
  const end = matchingBrace(text, open);
  if (end === undefined) return [];
  return [
    { start: match.index, end: open, text: `({ static ${match[1]} kept = ` },
    { start: end, end, text: '; &kept; })' },
  ];
}

/** Offset behind the last #include that no condition surrounds. */
function behindIncludes(text: string): number {
  let depth = 0;
  let end = 0;
  for (const match of text.matchAll(/^[ \t]*#[ \t]*(if|endif|include)\w*[^\n]*\n/gm)) {
    if (match[1] === 'if') depth++;
    else if (match[1] === 'endif') depth--;
    else if (depth === 0) end = match.index + match[0].length;
  }
  return end;
}
