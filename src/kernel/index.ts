/** The kernel room: what a tree is, which tools there are, how one becomes the other's kernel. */
export {
  type CompiledKernel,
  type ConfigureOptions,
  compile,
  configureTree,
  type TreeHistory,
} from './build.ts';
export { applyCompat, type CompatReport } from './compat/apply.ts';
export { CompatHalves } from './compat/halves.ts';
export type { CompatRule } from './compat/rule.ts';
export { dependSymbols, levelTimes, sharesDependencies } from './dependencies.ts';
export { FAMILIES, familyFor, GENKSYMS } from './families.ts';
export type { KernelFamily, Reasoned } from './family.ts';
export { makeVariables } from './make-variables.ts';
export { indexModules, type ModuleIndex } from './modules/index.ts';
export { type ModuleFacts, readModule } from './modules/module.ts';
export {
  canRestamp,
  forgetUntracked,
  namesRelease,
  type ReleasePlaces,
  releasePlaces,
  restamp,
} from './restamp.ts';
export type { CompileProgress, MakeOptions } from './run-make.ts';
export { chrootPlace, type ToolPlace } from './tool-place.ts';
export { findToolchain, locateHostTools, type Toolchain, type ToolchainRequest } from './toolchain.ts';
export {
  type KernelVersion,
  kernelRelease,
  RELEASE_LIMIT,
  readKernelVersion,
  restoreExecutableBits,
  setExtraversion,
} from './tree.ts';
