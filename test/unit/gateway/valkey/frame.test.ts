import { describe, expect, it } from "vitest";
import type { InferResponse } from "../../../../core/request.ts";
import type { ParameterValue } from "../../../../core/tensor.ts";
import type { KeptAnswer } from "../../../../gateway/valkey/answers.ts";
import { openFrames } from "../../../../gateway/valkey/frame.ts";
import { seededRandom } from "../../../support/fake-env.ts";

const secret = "a secret that all replicas share";
const frames = openFrames({ secret, maxBytes: 1024 * 1024 });
const KEY = "sluice:a:key";

const text = (length: number) => Uint8Array.from({ length }, (_, i) => 97 + (i % 7));
const noise = (length: number, random = seededRandom(7)) =>
  Uint8Array.from({ length }, () => Math.floor(random() * 256));

function kept(data: Uint8Array, change: Partial<InferResponse> = {}): KeptAnswer {
  const answer: InferResponse = {
    kind: "whole",
    model: { name: "digits", version: "1" },
    outputs: [{ name: "y", datatype: "UINT8", shape: [data.byteLength], data }],
    parameters: new Map(),
    ...change,
  };
  const proof = noise(64);
  const stored = {
    answer,
    head: "x FP32[1,2] 8;",
    proof,
    madeAt: 1_700_000_000_123.5,
    freshMs: 60_000,
    keepMs: 61_000.25,
  };
  return { generations: ["g1", "g2"], stored };
}

async function written(one: KeptAnswer): Promise<Uint8Array> {
  const value = await frames.write(KEY, one);
  if (value === undefined) throw new Error("expected a value");
  return value;
}

/** Plain values, so that views and buffers compare by their bytes. */
function plain(read: Awaited<ReturnType<typeof frames.read>>) {
  if (typeof read === "string") return read;
  const { answer, proof, ...rest } = read.stored;
  const outputs = answer.outputs.map((one) => ({ ...one, data: Buffer.from(one.data).toString("hex") }));
  return {
    generations: read.generations,
    ...rest,
    proof: Buffer.from(proof).toString("hex"),
    answer: { ...answer, outputs },
  };
}

describe("the frame of a kept answer", () => {
  it.each([0, 1, 40, 1023, 1024, 5000, 300_000])("gives back text of %i bytes as it was", async (length) => {
    const one = kept(text(length));
    expect(plain(await frames.read(KEY, await written(one)))).toEqual(plain(one));
  });

  it("gives back noise, several outputs, one without bytes and parameters of every type", async () => {
    const parameters = new Map<string, ParameterValue>([
      ["text", 'a "b" \ud800 \u0000'],
      ["yes", true],
      ["no", false],
      ["int", -9_223_372_036_854_775_808n],
      ["double", 0.1],
      ["minus zero", -0],
      ["nan", Number.NaN],
      ["infinity", Number.NEGATIVE_INFINITY],
    ]);
    const one = kept(new Uint8Array(), {
      parameters,
      outputs: [
        { name: "a", datatype: "FP32", shape: [1, 500], parameters, data: noise(2000) },
        { name: "none", datatype: "FP64", shape: [0, 3], data: new Uint8Array() },
        { name: "b", datatype: "BYTES", shape: [1], data: Uint8Array.from([1, 0, 0, 0, 65]) },
      ],
    });
    expect(plain(await frames.read(KEY, await written(one)))).toEqual(plain(one));
  });

  it("compresses what becomes much smaller, and nothing else", async () => {
    expect((await written(kept(text(100_000)))).byteLength).toBeLessThan(1_000);
    expect((await written(kept(noise(100_000)))).byteLength).toBeGreaterThan(100_000);
    expect((await written(kept(text(1_000)))).byteLength).toBeGreaterThan(1_000);
  });

  it("copies the bytes before it waits for anything", async () => {
    const data = text(200_000);
    const one = kept(data);
    const before = plain(one);
    const writing = written(one);
    data.fill(0);
    expect(plain(await frames.read(KEY, await writing))).toEqual(before);
  });

  it.each([40, 5_000, 300_000])("reads %i bytes into memory of their own, whatever they came in", async (length) => {
    for (const data of [text(length), noise(length)]) {
      const value = await written(kept(data));
      const chunk = new Uint8Array(value.byteLength + 65_536);
      chunk.set(value, 100);
      const read = await frames.read(KEY, chunk.subarray(100, 100 + value.byteLength));
      if (typeof read === "string") throw new Error(read);
      const { answer, proof } = read.stored;
      expect(answer.outputs[0]?.data.buffer.byteLength).toBeLessThanOrEqual(length + 1_024);
      expect(proof.buffer.byteLength).toBe(64);
    }
  });

  it("refuses what is larger than the largest value, before and after compression", async () => {
    const small = openFrames({ secret, maxBytes: 2_000 });
    expect(await small.write(KEY, kept(text(2_001)))).toBeUndefined();
    expect(await small.write(KEY, kept(noise(1_990)))).toBeUndefined();
    expect(await small.write(KEY, kept(text(2_000)))).toBeDefined();
  });

  it.each([
    ["plain", text(300)],
    ["compressed", text(3_000)],
  ])("sees every changed bit of a %s value", async (_, data) => {
    const value = await written(kept(data));
    let seen = 0;
    for (let at = 0; at < value.byteLength; at += 1) {
      const changed = Uint8Array.from(value);
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const read = await frames.read(KEY, changed);
      expect(read).toBe(at === 2 ? "other-version" : "spoiled");
      seen += 1;
    }
    expect(seen).toBe(value.byteLength);
  });

  it("sees every truncation, and a byte too much", async () => {
    const value = await written(kept(text(300)));
    for (let length = 0; length < value.byteLength; length += 1) {
      expect(await frames.read(KEY, value.subarray(0, length))).toBe("spoiled");
    }
    expect(await frames.read(KEY, Buffer.concat([value, Buffer.from([0])]))).toBe("spoiled");
  });

  it("sees a value that was put under another key, and one that another secret made", async () => {
    const value = await written(kept(text(300)));
    expect(await frames.read("sluice:a:other", value)).toBe("spoiled");
    const others = openFrames({ secret: "the secret of another fleet here", maxBytes: 1024 });
    expect(await others.read(KEY, value)).toBe("spoiled");
    expect(typeof (await frames.read(KEY, value))).toBe("object");
  });

  it("reads nothing of another version of the frame", async () => {
    const value = await written(kept(text(30)));
    value[2] = 2;
    expect(await frames.read(KEY, value)).toBe("other-version");
  });

  it("survives 2,000 values of noise", async () => {
    const random = seededRandom(3);
    for (let n = 0; n < 2_000; n += 1) {
      const value = noise(Math.floor(random() * 200), random);
      // half of them with the right beginning
      if (n % 2 === 0) value.set([0x53, 0x43, 1, n % 4 === 0 ? 1 : 0].slice(0, value.byteLength));
      expect(typeof (await frames.read(KEY, value))).toBe("string");
    }
  });
});
