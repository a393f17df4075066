export { type BootRequest, type BootRun, type BootVerdict, bootBundle } from './boot.ts';
export {
  type DistinctLine,
  type ExpectedLine,
  type FailureReason,
  initIsUp,
  type LinePattern,
} from './console.ts';
export { LAN_ARGUMENTS, LAN_HOST_NAME, LAN_SERVER, type Lan, type TftpServer } from './lan.ts';
export { findNic, NICS, type Nic } from './nics.ts';
export { type Accelerator, findQemu } from './qemu.ts';
