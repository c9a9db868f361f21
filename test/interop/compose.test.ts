// The compose file's config in front of its servers: one model, whichever of them answers.

import { afterAll, beforeAll, expect, it } from "vitest";
import { until } from "../support/http-client.ts";
import { pictures, reference } from "./json-calls.ts";
import { startCompose } from "./servers/compose.ts";
import { realServer } from "./support/suite.ts";
import { openSwapped, type SwappedGateway } from "./swap-tree.ts";

type Output = readonly [name: string, datatype: string, shape: readonly number[], hex: string];

/** How many inputs are asked: enough that every server has its turn. */
const ASKED = 60;
/** Three implementations of one matrix: their sums differ in the last bits. */
const TOLERANCE = 1e-6;

async function expectDigits(gateway: SwappedGateway, input: number): Promise<void> {
  const rows = (input % 4) + 1;
  const [probabilities, digit, ...more] = JSON.parse(await gateway.answer(input)) as readonly Output[];
  const expected = await reference("1", pictures(rows, input + 1));
  expect(more).toEqual([]);
  expect(digit).toEqual(["digit", "INT64", [rows], expected.digit]);
  expect(probabilities?.slice(0, 3)).toEqual(["probabilities", "FP32", [rows, 10]]);
  const got = floats(probabilities?.[3]);
  const wanted = floats(expected.probabilities);
  expect(Math.max(...got.map((value, i) => Math.abs(value - (wanted[i] ?? Number.NaN))))).toBeLessThan(TOLERANCE);
}

function floats(hex = ""): readonly number[] {
  return [...new Float32Array(Uint8Array.from(Buffer.from(hex, "hex")).buffer)];
}

realServer("compose", startCompose, (compose) => {
  let gateway: SwappedGateway;
  beforeAll(async () => {
    gateway = await openSwapped(compose().config);
  }, 60_000);
  afterAll(() => gateway?.close());

  it("answers alike from each of the three servers", async () => {
    for (let input = 0; input < ASKED; input += 1) await expectDigits(gateway, input);
    expect([...gateway.served.keys()].sort()).toEqual(["tf-serving", "torchserve", "triton"]);
    expect([...gateway.served.values()].reduce((sum, count) => sum + count)).toBe(ASKED);
  });

  it("goes on with the others when one is lost", async () => {
    await compose().servers.triton.close();
    const answered = () =>
      gateway.answer(0).then(
        () => true,
        () => false,
      );
    let inRow = 0;
    await until(async () => {
      inRow = (await answered()) ? inRow + 1 : 0;
      return inRow === 10;
    }, 30_000);
    const before = gateway.served.get("triton");
    for (let input = 0; input < ASKED; input += 1) await expectDigits(gateway, input);
    expect(gateway.served.get("triton")).toBe(before);
  });
});
