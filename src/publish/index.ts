export {
  type ChannelRecord,
  checkChannelName,
  currentGeneration,
  type Flip,
  type Generation,
  linkPath,
  linkTarget,
  listChannels,
  readChannel,
  settle,
} from './channels.ts';
export { type Published, type PublishOptions, publishBundle, rollback, unknownChannel } from './publish.ts';
export { placeBundle, servedDirectory, servedFiles } from './tftp.ts';
