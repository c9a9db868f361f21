// Buffers that are used again: kept by size, up to a number of bytes.

const SMALLEST_BYTES = 1024;
/** Up to here a power of two is found by shifting. */
const MOST_BITS = 2 ** 31;

export interface KeptBuffers {
  /** A buffer of at least so many bytes; what lies in it is of no meaning. */
  take(bytes: number): ArrayBuffer;
  /** Takes a buffer back; one that has been transferred away, or more than may be kept, is let go. */
  keep(buffer: ArrayBuffer): void;
  readonly keptBytes: number;
}

/** @param maxKeptBytes how many bytes may lie about unused */
export function openKeptBuffers(maxKeptBytes: number): KeptBuffers {
  const bySize = new Map<number, ArrayBuffer[]>();
  let keptBytes = 0;
  return {
    take(bytes) {
      const size = sizeClass(bytes);
      const kept = bySize.get(size)?.pop();
      if (kept === undefined) return new ArrayBuffer(size);
      keptBytes -= size;
      return kept;
    },
    keep(buffer) {
      const size = buffer.byteLength;
      if (size < SMALLEST_BYTES || size !== sizeClass(size) || keptBytes + size > maxKeptBytes) return;
      const kept = bySize.get(size);
      if (kept === undefined) bySize.set(size, [buffer]);
      else kept.push(buffer);
      keptBytes += size;
    },
    get keptBytes() {
      return keptBytes;
    },
  };
}

// four sizes to a doubling: at most a quarter of a buffer is unused
function sizeClass(bytes: number): number {
  if (bytes <= SMALLEST_BYTES) return SMALLEST_BYTES;
  const step = bytes <= MOST_BITS ? 1 << (29 - Math.clz32(bytes - 1)) : 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
