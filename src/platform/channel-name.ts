/** Names in the TFTP root that are no channels: bundles, the nodes of canary lists, PXELINUX's directory. */
const RESERVED = ['bundles', 'nodes', 'pxelinux.cfg', 'pxelinux.0', 'ldlinux.c32'];

/** What a channel's name is, in words. */
export const CHANNEL_NAME = `a path below the TFTP root of letters, digits, ".", "_" and "-", at most 200 characters, not under ${RESERVED.join('/, ')}/, e.g. lts/stable`;

/** Whether a symlink of that name in the TFTP root can be a channel, and hides nothing that nodes need. */
export function isChannelName(channel: string): boolean {
  const parts = channel.split('/');
  return (
    !RESERVED.includes(parts[0] ?? '') &&
    channel.length <= 200 &&
    parts.every((part) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(part))
  );
}
