import { DECLARATION_RULES_2_2 } from './declarations-2.2.ts';
import { BUILD_RULES_2_2 } from './makefiles-2.2.ts';
import type { CompatRule } from './rule.ts';
import { COMPAT_RULES_2_4 } from './rules-2.4.ts';
import { TEXT_RULES_2_2 } from './text-2.2.ts';

/** What Linux 2.2 on i386 needs besides what 2.4 needs; each rule acts on what it finds. */
export const COMPAT_RULES_2_2: readonly CompatRule[] = [
  ...BUILD_RULES_2_2,
  ...TEXT_RULES_2_2,
  ...DECLARATION_RULES_2_2,
  ...COMPAT_RULES_2_4,
];
