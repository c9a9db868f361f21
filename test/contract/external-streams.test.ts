// What every kind that streams keeps to, against streams recorded from the real servers: a new one is tested by its row.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { InferError } from "../../core/error.ts";
import type { InferResponse } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { opaqueTensor } from "../../wire/opaque.ts";
import { elements, type Plain, plain } from "../support/gateway-oip.ts";
import { until } from "../support/http-client.ts";
import { aCall, type ExternalBackend, openExternalRow } from "./external-backend.ts";
import { type ExternalRow, requestOf } from "./external-row.ts";

/** How a stream that counts 0, 1, 2 is asked for, and read. */
interface StreamRow extends Omit<ExternalRow, "expected" | "faults"> {
  readonly form: "values" | "pieces";
  /** What all parts together say: the numbers, with a space between them. */
  readonly read: (parts: readonly InferResponse[]) => string;
  /** The recording of a stream that fails after its first part, where the server lets that be seen. */
  readonly failing?: string;
}

const COUNT = { name: "count", datatype: "INT32", shape: [] } as const;
const NUMBER = { name: "i", datatype: "INT32", shape: [] } as const;
const SIGNATURE = { inputs: [COUNT], outputs: [NUMBER] };
const THREE: Tensor = plain("count", "INT32", [], [3]);

const numbers = (parts: readonly InferResponse[]) =>
  parts.flatMap(({ outputs }) => outputs.flatMap((output) => elements(output as Plain))).join(" ");
/** Pieces may be cut anywhere: together they are lines of JSON. */
const lines = (parts: readonly InferResponse[]) =>
  parts
    .map(({ outputs }) => Buffer.from((outputs[0] as Tensor).data.subarray(4)).toString())
    .join("")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { readonly i: number }).i)
    .join(" ");

const ROWS: readonly StreamRow[] = [
  {
    ...{ kind: "litserve", server: "litserve", over: "http", model: "stream", version: "1", inputs: [THREE] },
    words: () => ({ models: { stream: { signature: SIGNATURE } } }),
    ...{ usual: "stream", asks: /^POST \/stream$/, form: "values", read: numbers },
  },
  {
    ...{ kind: "bentoml", server: "bentoml", over: "http", model: "stream", version: "1", inputs: [THREE] },
    words: () => ({}),
    ...{ usual: "stream", asks: /^POST \/stream$/, form: "pieces", read: lines },
  },
  {
    ...{ kind: "bentoml", server: "bentoml", over: "http", model: "stream", version: "1", inputs: [THREE] },
    words: () => ({ models: { stream: { parts: "lines", signature: SIGNATURE } } }),
    ...{ usual: "stream", asks: /^POST \/stream$/, form: "values", read: numbers },
  },
  {
    ...{ kind: "torchserve", server: "torchserve", over: "http", model: "stream", version: "1.0" },
    inputs: [opaqueTensor("body", Buffer.from('{"count":3}'), { contentType: "application/json" })],
    words: (management) => ({ management }),
    ...{ usual: "stream", asks: /^POST \/predictions\/stream/, form: "pieces", read: lines, failing: "stream-error" },
  },
  {
    ...{ kind: "triton", server: "triton", over: "grpc", model: "stream", version: "1" },
    inputs: [plain("count", "INT32", [1], [3])],
    words: () => ({ protocol: "grpc" }),
    ...{
      usual: "grpc-stream",
      asks: /\/ModelStreamInfer$/,
      form: "values",
      read: numbers,
      failing: "grpc-stream-error",
    },
  },
];

describe.each(ROWS)("$kind: a stream of $server over $over, $form", (row) => {
  let opened: ExternalBackend;
  beforeAll(async () => {
    opened = await openExternalRow({ ...row, expected: () => [], faults: [] });
  });
  afterEach(() => {
    opened.script.answer = undefined;
    opened.script.fault = undefined;
  });
  afterAll(() => opened?.close());

  /** Reads until the end, or the fault; the permit must be back then. */
  async function read(timeoutMs = 5_000) {
    const call = aCall(timeoutMs);
    const parts: InferResponse[] = [];
    let fault: unknown;
    try {
      const reply = await opened.endpoint.infer(
        requestOf({ ...row, expected: () => [], faults: [] }, { stream: true }),
        call,
      );
      if (reply.kind === "whole") throw new Error("expected a stream");
      for await (const part of reply.parts) parts.push(part);
    } catch (error) {
      fault = error;
    } finally {
      call.end();
    }
    expect(opened.endpoint.slots.busy).toBe(0);
    return { parts, fault };
  }

  test("comes in its order, each part under the model's name, and ends", async () => {
    const { parts, fault } = await read();
    expect(fault).toBeUndefined();
    expect(row.read(parts)).toBe("0 1 2");
    expect(new Set(parts.map(({ model }) => model.name))).toEqual(new Set(["stream"]));
  });

  if (row.over === "http")
    test("says the same however the network cuts it", async () => {
      opened.script.fault = { fault: "drip", bytes: 5 };
      const { parts, fault } = await read();
      expect([fault, row.read(parts)]).toEqual([undefined, "0 1 2"]);
    });

  test("gives its permit back to a reader who stops after the first part", async () => {
    const call = aCall();
    const reply = await opened.endpoint.infer(
      requestOf({ ...row, expected: () => [], faults: [] }, { stream: true }),
      call,
    );
    if (reply.kind === "whole") throw new Error("expected a stream");
    expect(opened.endpoint.slots.busy).toBe(1);
    for await (const part of reply.parts) {
      expect(row.read([part])).toMatch(/^0/);
      break;
    }
    call.end();
    expect(opened.endpoint.slots.busy).toBe(0);
  });

  if (row.kind === "litserve")
    // the recorded one ends in good form after its first part
    test("that fails on its way looks like one that ends: nobody can tell", async () => {
      opened.script.answer = "stream-error";
      const { parts, fault } = await read();
      expect([fault, row.read(parts)]).toEqual([undefined, "0"]);
    });

  const { failing } = row;
  if (failing !== undefined)
    test("that fails on its way gives what came, and then the backend's fault", async () => {
      opened.script.answer = failing;
      const { parts, fault } = await read();
      expect(row.read(parts)).toMatch(/^0/);
      expect(fault).toBeInstanceOf(InferError);
      expect(fault).toMatchObject({ origin: "backend" });
    });

  test("that breaks off in the middle never ends as if it were whole", async () => {
    opened.script.fault =
      row.over === "http"
        ? { fault: "reset", after: 14 }
        : { fault: "break", code: 14, details: "the connection is lost" };
    const { fault } = await read();
    expect(fault).toBeInstanceOf(InferError);
    expect(fault).toMatchObject({ code: "unavailable", origin: "backend" });
  });

  test("that stands still ends with the deadline, and its connection too", async () => {
    opened.script.fault = row.over === "http" ? { fault: "hang", after: "head" } : { fault: "hang" };
    const { fault } = await read(60);
    expect(fault).toMatchObject({ code: "deadline-exceeded" });
    if (opened.http !== undefined) await until(() => (opened.http?.connections.open ?? 0) <= 1);
    if (opened.grpc !== undefined) await until(() => opened.grpc?.asked.at(-1)?.cancelled === true);
  });
});
