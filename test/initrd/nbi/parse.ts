/** A segment as the image's header describes it, with its data. */
export interface NbiSegment {
  readonly tag: number;
  readonly address: number;
  readonly data: Buffer;
  readonly memory: number;
  readonly vendor: Buffer;
}

export interface NbiImage {
  readonly vendor: string;
  /** The linear address that the header is copied to. */
  readonly header: number;
  readonly entry:
    | { readonly kind: 'real'; readonly segment: number; readonly offset: number }
    | { readonly kind: 'linear'; readonly address: number };
  readonly segments: readonly NbiSegment[];
}

/**
 * Reads a Net Boot Image as strictly as the proposal (0.3, sections 3 and 4) and iPXE's loader do, and shares
 * nothing with the writer.
 * @throws Error for whatever a boot ROM could stumble over
 */
export function parseNbi(file: Buffer): NbiImage {
  if (file.length < 512) throw new Error('shorter than its header');
  const dword = (at: number) => file.readUInt32LE(at);
  if (dword(0) !== 0x1b031336) throw new Error('no magic');
  if (dword(508) >>> 16 !== 0xaa55) throw new Error('no 55 AA at the end of the header');
  const flags = dword(4);
  if ((flags & 15) !== 4) throw new Error('the fixed part of the header is not four dwords');
  if ((flags & 0x7ffffe00) !== 0) throw new Error('reserved flags are set');
  const vendorEnd = 16 + 4 * ((flags >> 4) & 15);
  const far = (value: number) => ({ segment: value >>> 16, offset: value & 0xffff });
  const location = far(dword(8));
  const header = 16 * location.segment + location.offset;
  if (header < 0x10000 || header + 512 > 0xa0000) throw new Error('the header goes where there is no memory');
  const segments: NbiSegment[] = [];
  let at = vendorEnd;
  let data = 512;
  for (let last = false; !last; ) {
    const lengths = file.readUInt8(at);
    const size = 4 * ((lengths & 15) + (lengths >> 4));
    if ((lengths & 15) !== 4) throw new Error('the fixed part of a descriptor is not four dwords');
    if (at + size > 510) throw new Error('descriptors run out of the header');
    if (file.readUInt8(at + 2) !== 0) throw new Error('a reserved byte is set');
    const segmentFlags = file.readUInt8(at + 3);
    if ((segmentFlags & ~4) !== 0) throw new Error('an address that is not absolute, or reserved flags');
    const [address, length, memory] = [dword(at + 4), dword(at + 8), dword(at + 12)];
    if (length > memory) throw new Error('a segment has more in the file than in memory');
    if (data + length > file.length) throw new Error('the file ends before its last segment does');
    segments.push({
      tag: file.readUInt8(at + 1),
      address,
      data: file.subarray(data, data + length),
      memory,
      vendor: file.subarray(at + 16, at + size),
    });
    data += length;
    at += size;
    last = (segmentFlags & 4) !== 0;
  }
  if (data !== file.length) throw new Error('there are bytes behind the last segment');
  const places = [...segments, { address: header, memory: 512 }].sort((a, b) => a.address - b.address);
  places.forEach((place, index) => {
    const next = places[index + 1];
    if (next !== undefined && place.address + place.memory > next.address)
      throw new Error('segments overlap');
  });
  const entry = dword(12);
  return {
    vendor: file.toString('latin1', 16, vendorEnd).replace(/\0+$/, ''),
    header,
    entry: flags >>> 31 === 1 ? { kind: 'linear', address: entry } : { kind: 'real', ...far(entry) },
    segments,
  };
}
