import { KilnError } from '../platform/errors.ts';

export interface BootConfigRequest {
  /** The bundle's id: its files are at bundles/<id>/ under the TFTP root, and are never rewritten. */
  readonly id: string;
  /** Names of the files in the bundle. */
  readonly files: { readonly kernel: string; readonly initrd: string };
  /** The kernel's command line, as the recipe has it. */
  readonly cmdline: string;
  /** What the node's screen says is being booted, e.g. `openmosix-2.4.22:rtl8139`. */
  readonly label: string;
}

export interface BootConfigs {
  readonly 'pxelinux.cfg': string;
  readonly 'boot.ipxe': string;
}

/** What an iPXE script of Kiln's making loads; paths are relative to the TFTP root. */
export interface BootScript {
  readonly kernel: string;
  readonly initrd: string;
  readonly cmdline: string;
}

/** Linux 2.2 and 2.4 on i386 keep 256 bytes of command line, the final zero included (asm-i386/setup.h). */
const COMMAND_LINE_CHARACTERS = 255;

/**
 * The configurations by which PXELINUX and iPXE load one bundle. A channel's link leads to the
 * configuration; what that names is the bundle's immutable path, so a flip between two of a client's
 * requests can't mix generations.
 *
 * Both name paths from the TFTP root wherever they were loaded from themselves: PXELINUX by `::`, which
 * puts away the prefix of its own path (syslinux doc/pxelinux.txt; 2.x has it already), iPXE by a leading slash, which
 * resolves against the URI of the script (RFC 3986, 5.2.2), so that HTTP serves as well.
 * @throws KilnError `invalid` for a command line that either loader would change, or the kernel cut.
 */
export function bootConfigs(request: BootConfigRequest): BootConfigs {
  const { id, cmdline } = request;
  const label = request.label === '' ? id : request.label;
  assertLiteral('the label', label);
  assertLiteral('the command line', cmdline);
  const kernel = `bundles/${id}/${request.files.kernel}`;
  const initrd = `bundles/${id}/${request.files.initrd}`;
  // PXELINUX puts this before the command line; what it appends (initrd=) may be cut, nobody reads it.
  const length = `BOOT_IMAGE=::${kernel} ${cmdline}`.length;
  if (length > COMMAND_LINE_CHARACTERS) {
    throw new KilnError(
      'invalid',
      `the command line has ${cmdline.length} characters and PXELINUX adds ${length - cmdline.length}: the kernel keeps ${COMMAND_LINE_CHARACTERS}`,
      { hint: 'shorten boot.cmdline in the recipe' },
    );
  }
  return {
    'pxelinux.cfg': pxelinux(kernel, initrd, cmdline, label),
    'boot.ipxe': ipxe(kernel, initrd, cmdline, label),
  };
}

function pxelinux(kernel: string, initrd: string, cmdline: string, label: string): string {
  // No prompt; one that a held key brings up boots by itself after ten seconds.
  return `# ${label}, made by Kiln
DEFAULT kiln
PROMPT 0
TIMEOUT 100
ONTIMEOUT kiln
SAY Kiln: ${label}

LABEL kiln
  KERNEL ::${kernel}
  APPEND ${`${cmdline} initrd=::${initrd}`.trimStart()}
`;
}

function ipxe(kernel: string, initrd: string, cmdline: string, label: string): string {
  // After a failure the node starts over from DHCP: by then the server may be back, or the channel mended.
  return `#!ipxe
# ${label}, made by Kiln
echo Kiln: ${label}
kernel ${`/${kernel} ${cmdline}`.trimEnd()} || goto failed
initrd /${initrd} || goto failed
boot || goto failed
:failed
echo Kiln: could not boot ${kernel}: starting over in 10 seconds
sleep 10
reboot
`;
}

/**
 * Reads back what `bootConfigs` wrote for iPXE.
 * @returns undefined when the text is no such script.
 */
export function parseBootScript(text: string): BootScript | undefined {
  const kernel = /^kernel \/(\S+)(?: (.*))? \|\| goto failed$/m.exec(text);
  const initrd = /^initrd \/(\S+) \|\| goto failed$/m.exec(text);
  if (!text.startsWith('#!ipxe\n') || kernel?.[1] === undefined || initrd?.[1] === undefined)
    return undefined;
  return { kernel: kernel[1], initrd: initrd[1], cmdline: kernel[2] ?? '' };
}

/** Words that iPXE's script language or PXELINUX would read as something else than themselves. */
function assertLiteral(what: string, text: string): void {
  const odd =
    /[^ -~]/.exec(text) ??
    /["'\\]|\$\{/.exec(text) ??
    /(?<=^| )(?:\|\||&&|#\S*)(?= |$)/.exec(text) ??
    /^ | $/.exec(text);
  if (odd === null) return;
  throw new KilnError('invalid', `${what} has ${JSON.stringify(odd[0])}, which a boot loader would change`, {
    hint: 'printable ASCII without quotes, backslashes, ${, || and &&, and no word that starts with #',
  });
}
