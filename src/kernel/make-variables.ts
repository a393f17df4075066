import { KilnError } from '../platform/errors.ts';
import { FILE_PREFIX_MAP } from './families.ts';
import type { KernelFamily } from './family.ts';
import type { Toolchain } from './toolchain.ts';

/**
 * The variables, `NAME=value`, that every make in a tree gets: a configuration made with another compiler's
 * word for itself would be another configuration.
 * @param top the tree's real path
 * @param options.launcher put before the compiler, e.g. `ccache`
 * @param options.sh what /bin/sh is where make runs, if it is known. It is make's own choice of a shell, and the only
 *   one that make does without where a command needs none: two processes in three of a build were shells.
 * @throws KilnError `invalid` for a path that make would take apart
 */
export function makeVariables(
  top: string,
  family: KernelFamily,
  toolchain: Toolchain,
  options: { readonly launcher?: string; readonly sh?: string } = {},
): string[] {
  if (!/^[\w/.,+@%-]+$/.test(top)) {
    throw new KilnError('invalid', `a kernel can't be built in ${top}: make takes the path apart`, {
      hint: 'choose a home whose path has letters, digits and / . , _ + @ % - alone',
    });
  }
  const known = (flag: string) =>
    !toolchain.lacks.some(
      (lacked) => lacked === flag || (lacked.startsWith(FILE_PREFIX_MAP) && flag.startsWith(FILE_PREFIX_MAP)),
    );
  const flags = [
    ...family.compilerFlags.map(({ value }) => value.replace('{tree}', top)),
    `${FILE_PREFIX_MAP}${top}=.`,
  ].filter(known);
  const launcher = options.launcher === undefined ? [] : [options.launcher];
  const compiler = [...launcher, toolchain.compiler, ...flags].join(' ');
  const assemblerFlags = family.assemblerFlags.map(({ value }) => value);
  const assembler = ['as', ...assemblerFlags.filter((flag) => known(`-Wa,${flag}`))].join(' ');
  return [
    `CC=${compiler}`,
    `HOSTCC=${toolchain.hostCompiler}`,
    `AS=${assembler}`,
    ...(family.shell === undefined || family.shell.value === options.sh
      ? []
      : [`SHELL=${family.shell.value}`]),
    ...family.variables.map(({ value }) => value),
  ];
}
