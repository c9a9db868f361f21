// Counts the bytes that are copied while a piece of work runs: every way to copy that JavaScript has, and what was allocated.

/** What was moved, and what came to be. */
export interface Copied {
  /** Bytes moved from one buffer to another by set, copy, slice, concat and from. */
  readonly moved: number;
  /** Growth of the memory behind all buffers: what the others do not show, such as `new Uint8Array(view)`. */
  readonly grown: number;
}

export interface Meter {
  /** What has been copied since the meter was opened, or since the last look. */
  look(): Copied;
  close(): void;
}

type Method = (this: ArrayBufferView, ...args: never[]) => unknown;
type Holder = Record<string, Method>;

const bytesOf = (value: unknown): number => {
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return value.byteLength;
  return Array.isArray(value) ? value.reduce<number>((sum, one) => sum + bytesOf(one), 0) : 0;
};

/** Watches this whole process until it is closed. */
export function openMeter(): Meter {
  let moved = 0;
  const typed = Object.getPrototypeOf(Uint8Array.prototype) as Holder;
  const undo: (() => void)[] = [];
  const watch = (
    holder: Holder,
    name: string,
    count: (self: unknown, result: unknown, args: readonly unknown[]) => number,
  ) => {
    const own = Object.getOwnPropertyDescriptor(holder, name)!;
    const real = own.value as Method;
    const watched: Method = function (...args) {
      const result = real.apply(this, args);
      moved += count(this, result, args);
      return result;
    };
    Object.defineProperty(holder, name, { ...own, value: watched });
    undo.push(() => Object.defineProperty(holder, name, own));
  };
  watch(typed, "set", (_self, _result, [source]) => bytesOf(source));
  watch(typed, "slice", (_self, result) => bytesOf(result));
  watch(Buffer.prototype as unknown as Holder, "copy", (_self, result) => Number(result));
  watch(ArrayBuffer.prototype as unknown as Holder, "slice", (_self, result) => bytesOf(result));
  watch(Buffer as unknown as Holder, "concat", (_self, result) => bytesOf(result));
  // a view of an ArrayBuffer is no copy
  watch(Buffer as unknown as Holder, "from", (_self, result, [source]) =>
    source instanceof ArrayBuffer ? 0 : bytesOf(result),
  );
  let before = process.memoryUsage().arrayBuffers;
  return {
    look() {
      const now = process.memoryUsage().arrayBuffers;
      const copied = { moved, grown: now - before };
      moved = 0;
      before = now;
      return copied;
    },
    close() {
      for (const each of undo) each();
    },
  };
}
