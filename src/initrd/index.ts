export {
  type BootConfigRequest,
  type BootConfigs,
  type BootScript,
  bootConfigs,
  parseBootScript,
} from './configs.ts';
export { INIT_SOURCE_DIRECTORY } from './init.ts';
export { type Initrd, type InitrdRequest, makeInitrd } from './make.ts';
export { assertReadable, type InitrdFormat } from './readable.ts';
