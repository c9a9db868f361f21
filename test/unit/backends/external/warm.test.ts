import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { deviationOf } from "../../../../backends/external/warm-compare.ts";
import { readWarmFile } from "../../../../backends/external/warm-file.ts";
import { openWarmRecord } from "../../../../backends/external/warm-record.ts";
import { parseYaml } from "../../../../config/load.ts";
import { openCall } from "../../../../core/call.ts";
import type { InferResponse } from "../../../../core/request.ts";
import { NO_PARAMETERS, type Tensor } from "../../../../core/tensor.ts";
import { fakeClock } from "../../../support/fake-env.ts";
import { plain } from "../../../support/gateway-oip.ts";
import { requestFor } from "../../../support/scripted.ts";

const CLOSE = { rtol: 1e-3, atol: 1e-5 };

function responseOf(...outputs: readonly Tensor[]): InferResponse {
  return { kind: "whole", model: { name: "m", version: "1" }, outputs, parameters: NO_PARAMETERS };
}

describe("a recorded answer", () => {
  const y = (...values: readonly number[]) => plain("y", "FP32", [values.length], values);

  test.each<[string, readonly Tensor[], readonly Tensor[], string | undefined]>([
    ["the same", [y(1, 2)], [y(1, 2)], undefined],
    ["within the tolerance", [y(1, 2)], [y(1.0005, 2)], undefined],
    [
      "NaN where it was NaN",
      [y(Number.NaN, Number.POSITIVE_INFINITY)],
      [y(Number.NaN, Number.POSITIVE_INFINITY)],
      undefined,
    ],
    ["beyond the tolerance", [y(1, 2)], [y(1, 2.1)], 'output "y" differs from value 1 on'],
    ["NaN where it was none", [y(1)], [y(Number.NaN)], 'output "y" differs from value 0 on'],
    ["another shape", [y(1, 2)], [y(1)], 'output "y" is FP32 [1], and was FP32 [2]'],
    ["another output", [y(1)], [plain("z", "FP32", [1], [1])], 'output "y" is missing'],
    [
      "other integers",
      [plain("y", "INT64", [1], [5n])],
      [plain("y", "INT64", [1], [6n])],
      'output "y" differs from value 0 on',
    ],
    [
      "other text",
      [plain("y", "BYTES", [2], ["a", "b"])],
      [plain("y", "BYTES", [2], ["a", "c"])],
      'output "y" differs from value 1 on',
    ],
    ["BF16 beyond it", [bf16(0x3f80)], [bf16(0x4000)], 'output "y" differs from value 0 on'],
  ])("and %s", (_, was, is, expected) => {
    expect(deviationOf(was, is, CLOSE)).toBe(expected);
  });
});

function bf16(bits: number): Tensor {
  return { name: "y", datatype: "BF16", shape: [1], data: Uint8Array.of(bits & 0xff, bits >> 8) };
}

describe("a record of requests", () => {
  const offered = (purpose: "user" | "shadow" = "user") => ({
    response: responseOf(plain("y", "FP32", [1], [1])),
    ranMs: 7,
    call: openCall({ id: "c", traceparent: "", clock: fakeClock(), protocol: "test", purpose }),
  });

  test("keeps copies of the first few, and then a newer one for the oldest every ten seconds", () => {
    const clock = fakeClock();
    const record = openWarmRecord(2, clock);
    const data = Uint8Array.of(1, 2, 3, 4);
    const ask = (first: number) =>
      requestFor("m", { inputs: [{ name: "x", datatype: "UINT8", shape: [4], data: data.fill(first, 0, 1) }] });
    for (const n of [1, 2, 3]) record.offer(ask(n), offered());
    const firsts = () => record.of("m").map(({ request }) => request.inputs[0]?.data[0]);
    expect(firsts()).toEqual([1, 2]);
    clock.advance(10_000);
    for (const n of [4, 5]) record.offer(ask(n), offered());
    expect(firsts()).toEqual([2, 4]);
    expect(record.of("other")).toEqual([]);
  });

  test("takes nothing from shadows, nothing large, and of 256 models at most", () => {
    const record = openWarmRecord(2, fakeClock());
    const large = requestFor("m", {
      inputs: [{ name: "x", datatype: "UINT8", shape: [300_000], data: new Uint8Array(300_000) }],
    });
    record.offer(large, offered());
    record.offer(requestFor("m"), offered("shadow"));
    expect(record.of("m")).toEqual([]);
    for (let n = 0; n < 300; n += 1) record.offer(requestFor(`m${n}`), offered());
    expect([record.of("m255").length, record.of("m256").length]).toEqual([1, 0]);
  });
});

describe("a file of requests", () => {
  test("is read with its values, and its mistakes are named", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sluice-warm-"));
    const write = async (text: string) => {
      await writeFile(join(folder, "warm.yaml"), text);
      return readWarmFile({ file: "warm.yaml", baseDir: folder, parseYaml });
    };
    const [one] = await write("- {model: m, inputs: [{name: x, datatype: UINT8, shape: [2], data: [1, 2]}]}");
    expect(one?.request).toMatchObject({ model: { name: "m" }, inputs: [{ name: "x", data: Uint8Array.of(1, 2) }] });
    await expect(write("- {model: m, inputs: [{name: x, datatype: UINT8, shape: [2], data: [1]}]}")).rejects.toThrow(
      "warmUp.file warm.yaml: expected 2 values for shape [2], got 1",
    );
    await expect(write("- {modell: m}")).rejects.toThrow("warmUp.file warm.yaml: 0.model");
    await rm(folder, { recursive: true });
  });
});
