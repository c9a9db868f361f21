import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openBuffers } from "../../../../backends/onnx/buffers.ts";
import { openMemory } from "../../../../backends/onnx/memory.ts";
import { onnxOptions, readModelSettings, wantedVersions } from "../../../../backends/onnx/options.ts";
import { openSlots } from "../../../../backends/onnx/slots.ts";
import { fromStrings, toStrings } from "../../../../backends/onnx/texts.ts";
import { openCall } from "../../../../core/call.ts";
import { InferError } from "../../../../core/error.ts";
import { joinBytesElements, type Tensor } from "../../../../core/tensor.ts";
import { fakeClock } from "../../../support/fake-env.ts";

describe("buffers", () => {
  const tensor = (name: string, bytes: Uint8Array): Tensor => ({
    name,
    datatype: "UINT8",
    shape: [bytes.length],
    data: bytes,
  });

  it("hold the inputs side by side, each on a cache line, and leave the request's bytes as they were", () => {
    const body = new Uint8Array(200).map((_, index) => index);
    const packed = openBuffers(1 << 20).pack([
      tensor("a", body.subarray(1, 100)),
      tensor("b", body.subarray(101, 200)),
    ]);
    expect(packed.tensors.map(({ data }) => data.byteOffset)).toEqual([0, 128]);
    expect(packed.tensors.map(({ data }) => [...data])).toEqual([
      [...body.subarray(1, 100)],
      [...body.subarray(101, 200)],
    ]);
    expect(packed.tensors.every(({ data }) => data.buffer === packed.buffer)).toBe(true);
    expect([...body]).toEqual([...new Uint8Array(200).keys()]);
  });

  it("are used again for what fits the same size", () => {
    const buffers = openBuffers(1 << 20);
    const first = buffers.pack([tensor("a", new Uint8Array(5000))]).buffer!;
    buffers.keep(first);
    expect(buffers.keptBytes).toBe(first.byteLength);
    expect(buffers.pack([tensor("a", new Uint8Array(4900))]).buffer).toBe(first);
    expect(buffers.keptBytes).toBe(0);
  });

  it("waste at most a quarter, and are not kept beyond the bound", () => {
    const buffers = openBuffers(10_000);
    for (const bytes of [1025, 5000, 70_000, 1_000_001]) {
      const { buffer } = buffers.pack([tensor("a", new Uint8Array(bytes))]);
      expect(buffer!.byteLength).toBeLessThanOrEqual(Math.max(1024, (bytes + 64) * 1.25));
      buffers.keep(buffer!);
    }
    expect(buffers.keptBytes).toBeLessThanOrEqual(10_000);
  });

  it("that were transferred away are not kept", () => {
    const buffers = openBuffers(1 << 20);
    const { buffer } = buffers.pack([tensor("a", new Uint8Array(5000))]);
    structuredClone(buffer, { transfer: [buffer!] });
    buffers.keep(buffer!);
    expect(buffers.keptBytes).toBe(0);
  });
});

describe("texts", () => {
  const bytes = (...elements: (string | number[])[]): Tensor => ({
    name: "t",
    datatype: "BYTES",
    shape: [elements.length],
    data: joinBytesElements(
      elements.map((each) => (typeof each === "string" ? Buffer.from(each) : Uint8Array.from(each))),
    ),
  });

  it("cross both ways unchanged: empty, accents, astral planes, a byte order mark", () => {
    const texts = ["", "a", "über", "漢字", "😀", "\ufeffmark"];
    const tensor = bytes(...texts);
    expect(toStrings(tensor)).toEqual(texts);
    expect(fromStrings("t", texts)).toEqual(new Uint8Array(tensor.data));
  });

  it.each([
    ["a NUL", [[0x61, 0x00, 0x62]], "element 0 holds a NUL byte"],
    ["a lone byte", ["ok", [0xff]], "element 1 holds bytes that are no UTF-8"],
    ["a surrogate in UTF-8", [[0xed, 0xa0, 0x80]], "element 0 holds bytes that are no UTF-8"],
    ["a cut sequence", [[0xe2, 0x82]], "element 0 holds bytes that are no UTF-8"],
  ])("with %s are refused, since the binding would alter them", (_what, elements, said) => {
    expect(() => toStrings(bytes(...(elements as (string | number[])[])))).toThrow(
      `input "t": ${said}, which a local ONNX model cannot take unchanged`,
    );
  });

  it("of any kind come back as the same bytes, or are refused", () => {
    const element = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }),
      fc.uint8Array({ maxLength: 8 }),
    );
    fc.assert(
      fc.property(fc.array(element, { maxLength: 8 }), (elements) => {
        const tensor = bytes(...elements.map((each) => (typeof each === "string" ? each : [...each])));
        let crossed: Uint8Array;
        try {
          crossed = fromStrings("t", toStrings(tensor));
        } catch (error) {
          return error instanceof InferError && error.code === "unsupported";
        }
        return Buffer.from(crossed).equals(tensor.data);
      }),
      { seed: 5, numRuns: 2_000 },
    );
  });

  it("must be as many as the shape says", () => {
    expect(() => toStrings({ ...bytes("a", "b"), shape: [3] })).toThrow(
      'input "t": shape [3] needs 3 BYTES elements, got 2',
    );
  });

  it("with U+FFFD in an answer are refused: nobody can tell what the model said", () => {
    expect(() => fromStrings("y", ["a", "b\ufffd"])).toThrow(/output "y": element 1 holds U\+FFFD/);
  });
});

describe("memory", () => {
  it("is set aside and given back, and refused with the figures", () => {
    const memory = openMemory(1000);
    const free = memory.reserve("a version 1", { workers: 2, bytes: 300 });
    expect(() => memory.reserve("b version 1", { workers: 2, bytes: 150 })).toThrow(
      "b version 1: 2 workers x 150B = 300B, which is more than is left: models have 600B of 800B (80 % of 1000B)",
    );
    expect(memory.usedBytes).toBe(600);
    free();
    memory.reserve("b version 1", { workers: 2, bytes: 150 });
    expect(memory.usedBytes).toBe(300);
  });
});

describe("options", () => {
  it("have the values that the design names", () => {
    expect(onnxOptions.parse({ repository: "./models" })).toEqual({
      repository: "./models",
      workers: "auto",
      isolation: "thread",
      queue: 256,
      runTimeout: 300_000,
      watch: true,
      intraOpThreads: 1,
      spinning: false,
      graphOptimization: "all",
      executionProviders: ["cpu"],
    });
  });

  it("of a model name every mistake", () => {
    expect(() => readModelSettings({ workers: 0, warmup: {}, labels: { "1": 2 } })).toThrow(
      /workers.*; .*labels.*; .*warmup/s,
    );
    expect(readModelSettings(null)).toEqual({});
    expect(readModelSettings({ labels: { stable: 1 } })).toEqual({ labels: { stable: "1" } });
  });

  it.each([
    [{}, ["1", "2", "10"]],
    [{ versionPolicy: "all" }, ["1", "2", "10"]],
    [{ versionPolicy: { latest: 2 } }, ["2", "10"]],
    [{ versionPolicy: { specific: [1, "10", 11] } }, ["1", "10"]],
  ])("choose versions: %j", (settings, versions) => {
    expect(wantedVersions(["1", "2", "10"], readModelSettings(settings))).toEqual(versions);
  });
});

describe("slots", () => {
  const callOf = () => openCall({ id: "1", traceparent: "", clock: fakeClock(), protocol: "test" });

  it("are what no run and no lease has", async () => {
    const state = { capacity: 3, inFlight: 0 };
    const slots = openSlots({ capacity: () => state.capacity, inFlight: () => state.inFlight, maxWaiting: 2 });
    expect(slots.free).toBe(3);
    const lease = await slots.take(1, callOf());
    expect(slots.free).toBe(2);
    // the lease's own run is no second use
    state.inFlight = 1;
    expect(slots.free).toBe(2);
    state.inFlight = 2;
    expect(slots.free).toBe(1);
    state.inFlight = 0;
    lease.release("success");
    lease.release("success");
    expect(slots.free).toBe(3);
  });

  it("are waited for in line, within a bound, and who leaves loses its place", async () => {
    const slots = openSlots({ capacity: () => 1, inFlight: () => 0, maxWaiting: 2 });
    const lease = await slots.take(1, callOf());
    const leaves = callOf();
    const order: string[] = [];
    const first = slots.take(1, leaves).catch(() => order.push("left"));
    const second = slots.take(1, callOf()).then((each) => {
      order.push("second");
      return each;
    });
    await expect(slots.take(1, callOf())).rejects.toMatchObject({ code: "overloaded" });
    leaves.cancel(new InferError("cancelled", "gone"));
    await first;
    lease.release("success");
    (await second).release("success");
    expect(order).toEqual(["left", "second"]);
    expect(slots.free).toBe(1);
  });

  it("tell when one has become free", async () => {
    const slots = openSlots({ capacity: () => 1, inFlight: () => 0, maxWaiting: 2 });
    let told = 0;
    const stop = slots.onFree(() => {
      told += 1;
    });
    const lease = await slots.take(1, callOf());
    expect(told).toBe(0);
    lease.release("success");
    expect(told).toBe(1);
    stop();
    (await slots.take(1, callOf())).release("success");
    expect(told).toBe(1);
  });
});
