// Plain HTTP services whose answers come in parts: as lines of JSON, or in pieces as they come.

import { describe, expect, it } from "vitest";
import { http, httpServer } from "../../../../backends/http.ts";
import type { Reply } from "../../../../core/request.ts";
import type { Tensor } from "../../../../core/tensor.ts";
import { payloadOf } from "../../../../wire/opaque.ts";
import { ask, connectKind, kindDoor, numbers, type Play, someCall } from "../../../support/kind-door.ts";

function infer(words: object, play: Play) {
  const connection = connectKind({ kind: http, server: httpServer }, words, kindDoor(play));
  return { reply: connection.infer(ask("score", [numbers("x", "FP32", [1], [1])]), someCall()) };
}

describe("a service that answers in parts", () => {
  const played = (body: readonly string[], type = "application/x-ndjson") =>
    ({ headers: { "content-type": type }, body }) as const;
  const partsOf = async (reply: Promise<Reply>) => {
    const parts: (readonly Tensor[])[] = [];
    const stream = await reply;
    if (stream.kind === "whole") throw new Error("expected a stream");
    for await (const { outputs } of stream.parts) parts.push(outputs);
    return parts;
  };

  it("gives a part a line, read by the template, however its pieces are cut", async () => {
    const words = { parts: "lines", response: { outputs: { y: "a.b" } } };
    const { reply } = infer(words, () => played(['{"a":{"b":1}}\n{"a":', '{"b":2}}\n', '{"a":{"b":3}}']));
    const parts = await partsOf(reply);
    expect(parts.map(([y]) => [y?.name, Number(Buffer.from(y!.data).readBigInt64LE())])).toEqual([
      ["y", 1],
      ["y", 2],
      ["y", 3],
    ]);
  });

  it("gives pieces as they come, under the output that the template names, with their type", async () => {
    const words = { parts: "chunks", response: { raw: "text" } };
    const { reply } = infer(words, () => played(["hel", "lo"], "text/plain"));
    const parts = await partsOf(reply);
    const told = parts.map(([y]) => [
      y?.name,
      y?.parameters?.get("content_type"),
      Buffer.from(payloadOf(y!)).toString(),
    ]);
    expect(told).toEqual([
      ["text", "text/plain", "hel"],
      ["text", "text/plain", "lo"],
    ]);
  });

  it("has the faults of any other", async () => {
    const { reply } = infer({ parts: "lines" }, () => ({ status: 503, body: "{}" }));
    await expect(reply).rejects.toMatchObject({ code: "unavailable", origin: "backend" });
  });

  it("names what is wrong with a line", async () => {
    const { reply } = infer({ parts: "lines" }, () => played(['{"y":1}\n{"y":\n']));
    await expect(partsOf(reply)).rejects.toMatchObject({ code: "bad-backend" });
  });
});
