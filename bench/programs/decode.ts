// Reads one JSON body over and over, with wire/ and with JSON.parse.

import { decodeRequest } from "../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS } from "../../wire/oip-json.ts";
import { runNow } from "../../wire/sliced.ts";
import { answer } from "../program.ts";

const held: { body: Buffer } = { body: Buffer.alloc(0) };

function viaWire(): Uint8Array {
  const [input] = runNow(decodeRequest(held.body, { limits: DEFAULT_WIRE_LIMITS })).inputs;
  if (input === undefined) throw new Error("expected an input, got none");
  return input.data;
}

function viaParse(): Uint8Array {
  const { inputs } = JSON.parse(held.body.toString()) as { inputs: [{ data: number[] }] };
  const floats = Float32Array.from(inputs[0].data);
  return new Uint8Array(floats.buffer);
}

function check(): void {
  const [wire, parsed] = [viaWire(), viaParse()];
  if (parsed.byteLength === 0 || Buffer.compare(wire, parsed) !== 0) {
    throw new Error("expected the same floats from wire/ as from JSON.parse, got others");
  }
}

/** Bodies a second; the garbage of the arm before is gone, that of this one counts. */
function rate(read: () => Uint8Array, ms: number): number {
  globalThis.gc?.();
  const began = performance.now();
  let bodies = 0;
  let took = 0;
  while (took < ms) {
    read();
    bodies += 1;
    took = performance.now() - began;
  }
  return (bodies / took) * 1000;
}

answer({
  start(body: Uint8Array) {
    held.body = Buffer.from(body);
    check();
  },
  parse: (ms: number) => rate(viaParse, ms),
  wire: (ms: number) => rate(viaWire, ms),
  stop() {},
  check,
});
