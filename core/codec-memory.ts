// What codecs remember of what they have read: so many things at most, then all is begun anew.

import type { CodecMemory } from "./protocol.ts";

/** Clients of one model mostly send one head; these are at most some hundreds of kilobytes. */
const MOST = 256;

/** For one tree: what is remembered depends on its limits. */
export function openCodecMemory(most = MOST): CodecMemory {
  const known = new Map<string, object>();
  return {
    get: (key) => known.get(key),
    set(key, value) {
      if (known.size >= most) known.clear();
      known.set(key, value);
    },
  };
}
