import { DECLARATION_RULES } from './declarations.ts';
import { EXPORT_RULES } from './exports.ts';
import { FASTCALL_RULES } from './fastcall.ts';
import { FUNCTION_NAME_RULES } from './function-name.ts';
import { INLINE_ASM_RULES } from './inline-asm.ts';
import { LVALUE_RULES } from './lvalues.ts';
import { BUILD_RULES } from './makefiles.ts';
import type { CompatRule } from './rule.ts';
import { SHARED_NAME_RULES } from './shared-names.ts';
import { SYSTEM_CALL_RULES } from './system-calls.ts';

/** What Linux 2.4 on i386 needs to be built by gcc 11 and 12 and to boot. */
export const COMPAT_RULES_2_4: readonly CompatRule[] = [
  ...BUILD_RULES,
  ...DECLARATION_RULES,
  ...SHARED_NAME_RULES,
  ...LVALUE_RULES,
  ...FUNCTION_NAME_RULES,
  ...FASTCALL_RULES,
  ...INLINE_ASM_RULES,
  ...EXPORT_RULES,
  ...SYSTEM_CALL_RULES,
];
