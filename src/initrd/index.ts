export {
  type BootConfigRequest,
  type BootConfigs,
  type BootScript,
  bootConfigs,
  parseBootScript,
} from './configs.ts';
export { type FloppySize, makeFloppy } from './images/floppy.ts';
export { makeIso } from './images/iso.ts';
export { compileInit, INIT_SOURCE_DIRECTORY } from './init.ts';
export { kitEntries } from './kit.ts';
export { type Initrd, type InitrdRequest, makeInitrd } from './make.ts';
export { makeNbi } from './nbi/make.ts';
export { assertReadable, type InitrdFormat } from './readable.ts';
