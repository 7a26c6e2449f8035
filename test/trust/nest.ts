/** A value inside as many sequences. */
export function nest(depth: number): Buffer {
  let bytes = Buffer.from([0x30, 0]);
  for (let level = 1; level < depth; level += 1) {
    const { length } = bytes;
    const header =
      length < 128
        ? [0x30, length]
        : length < 256
          ? [0x30, 0x81, length]
          : [0x30, 0x82, length >> 8, length & 255];
    bytes = Buffer.concat([Buffer.from(header), bytes]);
  }
  return bytes;
}
