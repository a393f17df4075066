/** pcap-savefile(5): a file header, then packets each with a header of its own. */
const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;
const MAGIC_LITTLE_ENDIAN = 0xa1b2c3d4;

const ETHERTYPE_IPV4 = 0x0800;
const ETHERNET_BYTES = 14;
const IP_PROTOCOL_UDP = 17;
const UDP_BYTES = 8;
const TFTP_PORT = 69;
const TFTP_READ_REQUEST = 1;

/** Bytes of each packet that `tftpRequests` needs: the headers and a file name of the longest that DHCP carries. */
export const CAPTURE_PACKET_BYTES = 256;

/**
 * The file names that a node asked a TFTP server for (RFC 1350, opcode 1), in order and each once, from a
 * packet capture as QEMU's filter-dump writes it. A capture that was cut short is read as far as it goes.
 */
export function tftpRequests(capture: Buffer): string[] {
  const names = new Set<string>();
  if (capture.length < FILE_HEADER_BYTES || capture.readUInt32LE(0) !== MAGIC_LITTLE_ENDIAN) return [];
  let at = FILE_HEADER_BYTES;
  while (at + PACKET_HEADER_BYTES <= capture.length) {
    const start = at + PACKET_HEADER_BYTES;
    const end = start + capture.readUInt32LE(at + 8);
    const name = requestedName(capture.subarray(start, end));
    if (name !== undefined) names.add(name);
    at = end;
  }
  return [...names];
}

function requestedName(frame: Buffer): string | undefined {
  const ipEnd = ETHERNET_BYTES + 20;
  if (frame.length < ipEnd || frame.readUInt16BE(12) !== ETHERTYPE_IPV4) return undefined;
  const ipBytes = (frame.readUInt8(ETHERNET_BYTES) & 15) * 4;
  if (frame.readUInt8(ETHERNET_BYTES + 9) !== IP_PROTOCOL_UDP) return undefined;
  const udp = frame.subarray(ETHERNET_BYTES + ipBytes);
  if (udp.length < UDP_BYTES + 2 || udp.readUInt16BE(2) !== TFTP_PORT) return undefined;
  const tftp = udp.subarray(UDP_BYTES);
  const nameEnd = tftp.indexOf(0, 2);
  if (tftp.readUInt16BE(0) !== TFTP_READ_REQUEST || nameEnd < 0) return undefined;
  return tftp.toString('latin1', 2, nameEnd);
}
