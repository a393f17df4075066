export { addCanaries, type Canary, parseMac, readCanaries, removeCanaries } from './canary.ts';
export type { ChangeOptions } from './change.ts';
export {
  channelNames,
  checkChannelName,
  linkPath,
  linkTarget,
  listChannels,
  listStates,
  readChannel,
  readState,
  unknownChannel,
} from './channels.ts';
export { assertPlaceForLink } from './flip.ts';
export type { Garbage } from './garbage.ts';
export { collectGarbage, type GcOptions, type GcReport } from './gc.ts';
export { inspectServing, type ServingFault, type ServingReport } from './inspect.ts';
export type { ChannelRecord, ChannelState, Flip, Generation, Pin } from './journal.ts';
export { CLAIM, listPlaced, placeModules } from './modules.ts';
export { pinChannel, unpinChannel } from './pin.ts';
export { objections, type Policy, policyPath, readPolicy, STRICT } from './policy.ts';
export {
  bundleOf,
  type Published,
  type PublishOptions,
  promote,
  publishBundle,
  rollback,
} from './publish.ts';
export { defaultChannel, type PxelinuxWay, pointPxelinux } from './pxelinux.ts';
export { type Repairs, repair } from './repair.ts';
export { placeBundle, servedDirectory, servedFiles } from './tftp.ts';
