/** A header of the PROXY protocol's version 2: command and family as the bytes that they are. */
export function proxyV2(command: number, family: number, addresses: readonly number[]): Buffer {
  const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
  const { length } = addresses;
  return Buffer.concat([
    signature,
    Buffer.from([command, family, length >> 8, length & 0xff]),
    Buffer.from(addresses),
  ]);
}
