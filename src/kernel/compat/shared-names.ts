import { basename } from 'node:path/posix';
import type { CompatRule } from './rule.ts';

/**
 * Names that a header declares extern and one file defines as static. The header's reading wins where its
 * inline functions or other files could use the name: the definition loses its `static`.
 */
const DECLARED_EXTERN: Readonly<Record<string, readonly string[]>> = {
  'drivers/atm/iphase.c': ['IADebugFlag'],
  'drivers/block/nbd.c': ['requests_in', 'requests_out'],
  'drivers/char/generic_serial.c': ['gs_debug'],
  'drivers/char/sonypi.c': ['verbose'],
  'drivers/isdn/eicon/eicon_mod.c': ['cards'],
  'drivers/md/lvm.c': ['vg_count'],
  'drivers/net/arlan.c': ['arlan_version', 'siteName'],
  'drivers/net/hamradio/soundmodem/sm.c': ['sm_drvinfo', 'sm_hardware_table'],
  'drivers/net/wan/8253x/crc32.c': ['fn_calc_memory_chunk_crc32'],
  'drivers/net/wan/comx.c': ['comx_root_dir'],
  'drivers/scsi/advansys.c': [
    'Default_3550_EEPROM_Config',
    'Default_38C0800_EEPROM_Config',
    'Default_38C1600_EEPROM_Config',
  ],
  'drivers/scsi/cpqfcTSworker.c': ['valid_al_pa'],
  'drivers/usb/inode.c': ['usbdevfs_bus_file_operations', 'usbdevfs_bus_inode_operations'],
  'fs/intermezzo/super.c': ['presto_fs_type'],
  'fs/ufs/super.c': ['ufs_fs_type'],
  'net/ipv6/ip6_fib.c': ['fib6_walker_list'],
  'net/irda/irttp.c': ['irttp'],
};

/**
 * Names that a file defines as static for itself, though a header that it reads declares another thing of
 * that name: several files do so, and as globals they would collide.
 */
const OWN_NAMES: Readonly<Record<string, string>> = {
  'drivers/net/irda/actisys.c': 'baud_rates',
  'drivers/net/irda/donauboe.c': 'irda_crc16_table',
  'drivers/net/irda/litelink.c': 'baud_rates',
  'fs/intermezzo/methods.c': 'filter_oppar',
  'net/bluetooth/bnep/sock.c': 'sockfd_lookup',
  'net/bluetooth/cmtp/sock.c': 'sockfd_lookup',
  'net/irda/irlan/irlan_common.c': 'irlan_state',
};

/** Files with an `errno` of their own, which the system calls inlined from <asm/unistd.h> set. */
const OWN_ERRNO: readonly string[] = [
  'drivers/bluetooth/bt3c_cs.c',
  'drivers/net/hamradio/baycom_epp.c',
  'drivers/sound/sound_firmware.c',
  'drivers/sound/wavfront.c',
];

export const SHARED_NAME_RULES: readonly CompatRule[] = [
  {
    id: 'static-after-extern',
    reason: 'a header declares extern what a file defines as static: the header lets go of it',
    files: ['include/linux/fs.h'],
    guard: (peek) => /^static\s+char\s+root_device_name\[/m.test(peek('init/do_mounts.c') ?? ''),
    rewrite: (text) => text.replace(/^extern\s+char\s+root_device_name\[\];[ \t]*\n/m, ''),
  },
  {
    id: 'static-of-extern',
    reason: 'a file defines as static what its header declares extern: the definition is not static any more',
    files: Object.keys(DECLARED_EXTERN),
    rewrite: (text, path) =>
      (DECLARED_EXTERN[path] ?? []).reduce(
        (result, name) =>
          result.replace(
            new RegExp(`^(?:static|STATIC)\\s+((?:[\\w\\s*]*[\\s*]|DECLARE_\\w+\\()${name}\\b)`, 'gm'),
            '$1',
          ),
        text,
      ),
  },
  {
    id: 'static-of-its-own',
    reason: "a file's static thing has the name of another in a header: it gets a name of its own",
    files: Object.keys(OWN_NAMES),
    rewrite(text, path) {
      const name = OWN_NAMES[path] ?? '';
      if (text.includes(`#define ${name} own_${name}`)) return text;
      return text.replace(
        new RegExp(`^static\\b[^\\n]*\\b${name}\\b`, 'm'),
        `#define ${name} own_${name}\n$&`,
      );
    },
  },
  {
    id: 'static-errno',
    reason:
      "a file's static errno is the one that system calls inlined into it set: headers see it under a name of its own, and it is static no more",
    files: OWN_ERRNO,
    rewrite(text, path) {
      const name = `errno_of_${basename(path, '.c')}`;
      const definition = /^static\s+(?=int\s+errno\s*;)/m;
      if (!definition.test(text)) return text;
      return text.replace(definition, '').replace(/^#include\b/m, `#define errno ${name}\n$&`);
    },
  },
  {
    id: 'extern-after-static',
    reason: 'a table is declared static and defined without: the definition is static as well',
    files: ['net/ipv6/sysctl_net_ipv6.c'],
    rewrite: (text) =>
      text.replace(/^ctl_table (\w+)\[\] =/gm, (line: string, name: string) =>
        new RegExp(`^static struct ctl_table ${name}\\[\\];`, 'm').test(text) ? `static ${line}` : line,
      ),
  },
  {
    id: 'unknown-wait-queue',
    reason: 'an array of a struct that no kernel of this series has: it gets the type of its name today',
    files: ['net/khttpd/prototypes.h'],
    rewrite: (text) => text.replace(/^extern struct wait_queue (\w+\[)/m, 'extern wait_queue_t $1'),
  },
];
