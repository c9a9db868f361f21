// System shared memory: the regions of /dev/shm that clients on this machine have registered, read and written in slices.

import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { InferError, invalid } from "../core/error.ts";
import type { Region, RegionPart, Regions } from "../core/operator.ts";
import type { Sliced } from "../core/run.ts";

export interface SharedMemoryOptions {
  /** Where the system keeps shared memory objects: `/dev/shm`. */
  readonly folder: string;
  /** What the inputs of one request may come to. */
  readonly maxBytes: number;
}

/** Bytes copied between two stops: about 0.2 ms. */
const STEP_BYTES = 1024 * 1024;
const MAX_REGIONS = 1024;

interface Held extends Region {
  readonly fd: number;
  /** Requests that read or write it now: the file stays open for them. */
  users: number;
  gone: boolean;
}

export function openSharedMemory(options: SharedMemoryOptions): Regions & { close(): Promise<void> } {
  const held = new Map<string, Held>();
  const drop = (region: Held) => {
    held.delete(region.name);
    region.gone = true;
    if (region.users === 0) closeSync(region.fd);
  };
  return {
    list: () => [...held.values()].map(({ name, key, offset, bytes }) => ({ name, key, offset, bytes })),
    register(region) {
      if (region.name === "") throw invalid("expected a name for the region, got none");
      if (held.has(region.name)) throw invalid(`shared memory region '${region.name}' already in manager`);
      if (held.size >= MAX_REGIONS)
        throw new InferError("overloaded", `${MAX_REGIONS} regions of shared memory are registered`);
      held.set(region.name, { ...region, fd: openObject(region, options.folder), users: 0, gone: false });
    },
    unregister(name) {
      const wanted = name === undefined ? [...held.values()] : [held.get(name)];
      for (const region of wanted) if (region !== undefined) drop(region);
    },
    reader() {
      const total: Total = { bytes: 0, maxBytes: options.maxBytes };
      return (part) => readPart(part, held, total);
    },
    write: (part, data) => writePart(part, held, data),
    async close() {
      for (const region of held.values()) drop(region);
    },
  };
}

function regionOf({ region: name, offset, bytes }: RegionPart, held: ReadonlyMap<string, Held>): Held {
  const region = held.get(name);
  if (region === undefined) throw invalid(`Unable to find shared memory region: '${name}'`);
  if (offset + bytes <= region.bytes) return region;
  throw invalid(
    `Invalid offset + byte size for shared memory region: '${name}' has ${region.bytes} bytes, got ${offset} + ${bytes}`,
  );
}

/** What the inputs of one request have come to. */
interface Total {
  bytes: number;
  readonly maxBytes: number;
}

// not inside its caller: see core/chain.ts
function* readPart(part: RegionPart, held: ReadonlyMap<string, Held>, total: Total): Sliced<Uint8Array> {
  const region = regionOf(part, held);
  total.bytes += part.bytes;
  if (total.bytes > total.maxBytes) {
    throw new InferError("too-large", `the inputs in shared memory have over ${total.maxBytes} bytes`);
  }
  const data = new Uint8Array(part.bytes);
  yield* using(region, part, (at, length) => readSync(region.fd, data, at, length, region.offset + part.offset + at));
  return data;
}

function* writePart(part: RegionPart, held: ReadonlyMap<string, Held>, data: Uint8Array): Sliced<void> {
  const region = regionOf(part, held);
  if (data.byteLength > part.bytes) {
    throw invalid(
      `shared memory region '${part.region}': the output needs ${data.byteLength} bytes, ${part.bytes} were given for it`,
    );
  }
  const whole = { ...part, bytes: data.byteLength };
  yield* using(region, whole, (at, length) => writeSync(region.fd, data, at, length, region.offset + part.offset + at));
}

/** Moves the part step by step. @throws InferError invalid-argument when the object has become shorter */
function* using(region: Held, part: RegionPart, move: (at: number, length: number) => number): Sliced<void> {
  region.users += 1;
  try {
    for (let at = 0; at < part.bytes; ) {
      const moved = move(at, Math.min(STEP_BYTES, part.bytes - at));
      if (moved === 0) throw invalid(`shared memory region '${region.name}' ends after ${part.offset + at} bytes`);
      at += moved;
      if (at < part.bytes) yield;
    }
  } finally {
    region.users -= 1;
    if (region.gone && region.users === 0) closeSync(region.fd);
  }
}

/** POSIX's names of objects: one slash at the start at most. */
const KEY = /^\/?(?!\.{1,2}$)[^/\0]{1,254}$/;

// held open, so that the region lives on when its maker unlinks it, as Triton's mapping does
function openObject({ name, key, offset, bytes }: Region, folder: string): number {
  if (!KEY.test(key))
    throw invalid(
      `region '${name}': expected the name of a shared memory object as key, got ${JSON.stringify(key.slice(0, 40))}`,
    );
  let fd: number;
  try {
    fd = openSync(
      `${folder}/${key.replace(/^\//, "")}`,
      constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (cause) {
    throw new InferError("invalid-argument", `Unable to open shared memory region: '${name}'`, { cause });
  }
  const { size } = fstatSync(fd);
  const isFile = fstatSync(fd).isFile();
  if (isFile && offset + bytes <= size) return fd;
  closeSync(fd);
  if (!isFile) throw invalid(`region '${name}': "${key}" is no shared memory object`);
  throw invalid(`region '${name}': "${key}" has ${size} bytes, got offset ${offset} and size ${bytes}`);
}
