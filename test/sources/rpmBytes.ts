/** A cpio archive of the new format, written byte by byte. */
export function cpio(files: Readonly<Record<string, Buffer>>): Buffer {
  const member = (name: string, bytes: Buffer) => {
    const fields = [1, 0o100644, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    const pad = (length: number) => Buffer.alloc((4 - (length % 4)) % 4);
    return Buffer.concat([Buffer.from(header), pad(header.length), bytes, pad(bytes.length)]);
  };
  return Buffer.concat([
    ...Object.entries(files).map(([name, bytes]) => member(name, bytes)),
    member('TRAILER!!!', Buffer.alloc(0)),
  ]);
}

/** An RPM around a payload: lead, a signature of 4 bytes that is padded to 8, a header of 3. */
export function rpm(payload: Buffer, entries = 1): Buffer {
  const header = (data: number, count = 1) => {
    const bytes = Buffer.alloc(16 + 16 + data);
    bytes.write('8eade80100000000', 0, 'hex');
    bytes.writeUInt32BE(count, 8);
    bytes.writeUInt32BE(data, 12);
    return bytes;
  };
  const lead = Buffer.alloc(96);
  lead.write('edabeedb', 0, 'hex');
  return Buffer.concat([lead, header(4), Buffer.alloc(4), header(3, entries), payload]);
}
