/** The modules of one kernel: what they need, what they drive, and the maps by which they are found. */
export { type IndexRequest, indexModules, type ModuleIndex } from './index-tree.ts';
