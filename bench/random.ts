// Seeded random numbers: equal seeds give equal models and inputs on every machine.

/** Numbers in [0, 1), from mulberry32 (Tommy Ettinger's 32-bit generator). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Floats from -scale to scale, evenly. */
export function uniformFloats(count: number, random: () => number, scale = 1): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(count);
  for (let i = 0; i < count; i += 1) floats[i] = (random() * 2 - 1) * scale;
  return floats;
}

/** Floats of the normal distribution, as the pixels of a picture made ready for a network are. */
export function normalFloats(count: number, random: () => number): Float32Array<ArrayBuffer> {
  const floats = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    floats[i] = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  }
  return floats;
}
