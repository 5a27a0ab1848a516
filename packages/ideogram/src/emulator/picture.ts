import { createHash } from 'node:crypto';
import { crc32, deflateSync } from 'node:zlib';

/** What an emulated image looks like follows from this alone. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  /** First bytes of the prompt's SHA-256, 16 hex digits. */
  readonly promptDigest: string;
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const COLOURS = 64;
/** Rows and columns are drawn in blocks, so that a large image costs milliseconds. */
const BLOCK = 8;

/** The first 16 hex digits of the prompt's SHA-256. */
export function promptDigest(prompt: string): string {
  return createHash('sha256').update(prompt).digest('hex').slice(0, 16);
}

/** A PNG (8-bit palette) of exactly the picture's size: waves in colours that depend on prompt and seed. */
export function drawPng(picture: Picture): Buffer {
  const { width, height } = picture;
  const chance = createHash('sha256').update(`${picture.promptDigest}.${picture.seed}`).digest();
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3, 0, 0, 0], 8);
  const rows = Buffer.alloc((width + 1) * height);
  for (let top = 0; top < height; top += BLOCK) {
    const first = (width + 1) * top;
    for (let x = 0; x < width; x += BLOCK) {
      rows.fill(
        colourAt(x / BLOCK, top / BLOCK, chance),
        first + 1 + x,
        first + 1 + Math.min(x + BLOCK, width),
      );
    }
    for (let y = top + 1; y < Math.min(top + BLOCK, height); y++) {
      rows.copy(rows, (width + 1) * y, first, first + width + 1);
    }
  }
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('PLTE', palette(chance)),
    chunk('IDAT', deflateSync(rows, { level: 1 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function colourAt(x: number, y: number, chance: Buffer): number {
  const byte = (at: number) => chance[at] ?? 0;
  const wave =
    Math.sin(x / (3 + (byte(0) & 15)) + byte(1)) +
    Math.sin(y / (3 + (byte(2) & 15)) + byte(3)) +
    Math.sin((x + y) / (5 + (byte(4) & 15)) + byte(5));
  return Math.min(COLOURS - 1, Math.floor(((wave + 3) / 6) * COLOURS));
}

function palette(chance: Buffer): Buffer {
  const entries = Array.from({ length: COLOURS }, (_, at) =>
    [6, 7, 8].map((channel) => ((chance[channel] ?? 0) + at * (1 + ((chance[channel + 3] ?? 0) & 3))) & 255),
  );
  return Buffer.from(entries.flat());
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
