// A connection over gRPC to servers of the Open Inference Protocol: inference, whole and as streams.

import { describe, expect, test } from "vitest";
import type { InferRequest } from "../../../core/request.ts";
import { ask, faultOf, outputsOf, partsOf } from "../../support/kind-door.ts";
import { spell, spellTensor } from "../wire/messages.ts";
import { answer, asked, call, fails, golden, just, open, part, read, signal, wants, X } from "./oip-grpc-server.ts";

describe("an inference", () => {
  test("asks Triton with raw contents, the time that is left, priority and sequence, under an id of our own", async () => {
    const { door, server } = open({ ModelInfer: just(answer("y")) });
    const sequence = { id: 9n, start: true, end: false };
    const request: InferRequest = { ...ask("m", [X]), model: { name: "m", select: { by: "version", version: "3" } } };
    const reply = await server.infer(request, call({ timeoutMs: 250, priority: 2, sequence }));
    expect(reply).toMatchObject({ kind: "whole", model: { name: "m", version: "3" } });
    expect(door.asks[0]).toMatchObject({
      path: "/inference.GRPCInferenceService/ModelInfer",
      headers: { traceparent: "00-1-2-01" },
    });
    const sent = read(door.asks[0]);
    expect(sent).toMatchObject({ model: { name: "m", version: "3" }, contents: "raw" });
    expect(sent.hints).toEqual({ id: "mkorf98k-1", timeoutMs: 250, priority: 2, sequence, sluice: new Map() });
  });

  test("says nothing of time and priority to servers that would hand it to the model", async () => {
    const { door, server } = open({ ModelInfer: just(answer("y")) }, "mlserver");
    await server.infer(ask("m", [X]), call({ timeoutMs: 250, priority: 2 }));
    expect(read(door.asks[0]).hints).toEqual({ id: "mkorf98k-1", sluice: new Map() });
  });

  test("gives outputs in the order asked, and no others", async () => {
    const { server } = open({ ModelInfer: just(answer("a", "b", "c")) });
    const reply = await server.infer(ask("m", [X], wants("c", "a")), call());
    expect(outputsOf(reply).map(({ name, data }) => [name, data[0]])).toEqual([
      ["c", 2],
      ["a", 0],
    ]);
  });

  test.each<[string, Uint8Array, string]>([
    ["lacks an output", answer("a"), 'the backend\'s answer lacks output "y"'],
    ["has no outputs", new Uint8Array(0), "the backend's answer has no outputs"],
    ["names an output twice", answer("y", "y"), 'the backend\'s answer cannot be read: output "y" stands twice'],
    [
      "has too few bytes",
      spell([5, spellTensor("y", "FP32", [3, 1])], [6, Uint8Array.of(0)]),
      'the backend\'s answer cannot be read: output "y": FP32 of shape [1] needs 4 bytes, got 1 raw bytes',
    ],
    [
      "has too few raw contents",
      spell([5, spellTensor("y", "FP32", [3, 0])], [5, spellTensor("z", "FP32", [3, 0])], [6, new Uint8Array(0)]),
      "the backend's answer cannot be read: expected raw contents for 2 outputs, got 1",
    ],
    [
      "is cut off",
      golden("answer").subarray(0, 40),
      "the backend's answer cannot be read: malformed protobuf message: index out of range: 36 + 27 > 40",
    ],
  ])("whose answer %s fails by the backend", async (_, bytes, message) => {
    const { server } = open({ ModelInfer: just(bytes) });
    const fault = await faultOf(server.infer(ask("m", [X], wants("y")), call()));
    expect(fault).toEqual(["bad-backend", "backend", "elsewhere", message]);
  });

  test("takes an answer with typed contents, and leaves out what MLServer adds to outputs", async () => {
    const parameters = spell([1, "content_type"], [2, spell([3, "np"])]);
    const y = spellTensor("y", "INT32", [3, 2], [4, parameters], [5, spell([2, Uint8Array.of(1, 2)])]);
    const { server } = open({ ModelInfer: just(spell([1, "m"], [4, parameters], [5, y])) }, "mlserver");
    const reply = await server.infer(ask("m", [X]), call());
    expect(reply).toMatchObject({ model: { name: "m", version: "1" }, parameters: new Map() });
    expect(outputsOf(reply)).toEqual([{ ...X, name: "y" }]);
  });

  test("of a label, an explanation, or a version that the server cannot have is refused unasked", async () => {
    const { door, server } = open({}, "kserve");
    const model = (select: InferRequest["model"]["select"]) => ({ ...ask("m", [X]), model: { name: "m", select } });
    const faults = [
      server.infer(model({ by: "label", label: "stable" }), call()),
      server.infer(ask("m", [X], { task: "explain" }), call()),
      server.infer(model({ by: "version", version: "2" }), call()),
    ];
    expect((await Promise.all(faults.map(faultOf))).map(([code]) => code)).toEqual([
      "unsupported",
      "unsupported",
      "not-found",
    ]);
    expect(door.asks.length).toBe(0);
  });
});

describe("a stream", () => {
  const final = (value: boolean, ...names: readonly string[]): Uint8Array =>
    part(
      Buffer.concat([
        answer(...names),
        spell([4, spell([1, "triton_final_response"], [2, spell([1, value ? 1 : 0])])]),
      ]),
    );

  test("gives Triton's answers without their envelopes and the empty last one", async () => {
    const { door, server } = open({ ModelStreamInfer: just(final(false, "y"), final(false, "y"), final(true)) });
    const parts = await partsOf(await server.infer(ask("m", [X], { stream: true }), call()));
    expect(parts.map(({ outputs, parameters }) => [outputs.length, parameters.size])).toEqual([
      [1, 0],
      [1, 0],
    ]);
    expect(door.asks[0]?.path).toBe("/inference.GRPCInferenceService/ModelStreamInfer");
  });

  test("is no stream where the first answer says that it is the last", async () => {
    const { server } = open({ ModelStreamInfer: just(final(true, "y")) });
    expect((await server.infer(ask("m", [X], { stream: true }), call())).kind).toBe("whole");
  });

  test("never asks Triton for a status in place of an error's text, which ends its process", async () => {
    const { door, server } = open({ ModelStreamInfer: just(final(true, "y")) });
    const headers = new Map([
      ["triton_grpc_error", "true"],
      ["x-user", "u"],
    ]);
    await server.infer(ask("m", [X], { stream: true }), call({ headers }));
    expect(door.asks[0]?.headers).toEqual({ "x-user": "u", traceparent: "00-1-2-01" });
  });

  test("gives MLServer's answers, which have no envelopes", async () => {
    const { server } = open({ ModelStreamInfer: just(answer("y"), answer("y")) }, "mlserver");
    expect((await partsOf(await server.infer(ask("m", [X], { stream: true }), call()))).length).toBe(2);
  });

  test("fails with an error that came first as the call, and with a later one behind the answers", async () => {
    const error = golden("stream error");
    const first = open({ ModelStreamInfer: just(error) });
    const fault = ["bad-backend", "backend", "no", "no such thing"];
    expect(await faultOf(first.server.infer(ask("m", [X], { stream: true }), call()))).toEqual(fault);
    const later = open({ ModelStreamInfer: just(golden("stream answer"), error) });
    // the first answer says that it is the last: nothing is read behind it
    expect((await later.server.infer(ask("m", [X], { stream: true }), call())).kind).toBe("whole");
    const inMidst = open({ ModelStreamInfer: just(final(false, "y"), error) });
    const reply = await inMidst.server.infer(ask("m", [X], { stream: true }), call());
    expect(await faultOf(partsOf(reply))).toEqual(fault);
    const unknown = open({ ModelStreamInfer: just(spell([1, "Request for unknown model: 'm' is not found"])) });
    expect((await faultOf(unknown.server.infer(ask("m", [X], { stream: true }), call()))).slice(0, 3)).toEqual([
      "not-found",
      "client",
      "no",
    ]);
  });

  test("is cancelled when its reader stops, once", async () => {
    const { door, server } = open({ ModelStreamInfer: just(final(false, "y"), final(false, "y"), final(false, "y")) });
    const reply = await server.infer(ask("m", [X], { stream: true }), call());
    if (reply.kind !== "stream") throw new Error("no stream");
    for await (const _ of reply.parts) break;
    expect(door.cancelled.count).toBe(1);
  });

  test("is what a decoupled model answers with, also unasked; the refusal is met once, and again when the server has changed", async () => {
    const decoupled = fails(12, "ModelInfer RPC doesn't support models with decoupled transaction policy");
    const methods = { ModelInfer: decoupled, ModelStreamInfer: just(final(true, "y")) };
    let version = "1";
    const { door, server } = open({
      ...methods,
      ServerReady: just(spell([1, 1])),
      ServerMetadata: () => ({ messages: [spell([1, "triton"], [2, version])] }),
    });
    await server.health(signal);
    for (let i = 0; i < 2; i++) expect((await partsOf(await server.infer(ask("m", [X]), call()))).length).toBe(1);
    await server.health(signal);
    expect((await partsOf(await server.infer(ask("m", [X]), call()))).length).toBe(1);
    const infers = () => asked(door).filter((word) => word === "ModelInfer").length;
    expect(infers()).toBe(1);
    version = "2";
    await server.health(signal);
    await server.infer(ask("m", [X]), call());
    expect(infers()).toBe(2);
  });

  test("is not asked of a server that has none", async () => {
    const { door, server } = open({ ModelInfer: just(answer("y")) }, "kserve");
    expect((await server.infer(ask("m", [X], { stream: true }), call())).kind).toBe("whole");
    expect(asked(door)).toEqual(["ModelInfer"]);
  });
});
