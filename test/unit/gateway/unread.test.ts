import { expect, test } from "vitest";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import type { ModelRef } from "../../../core/request.ts";
import { kindOf } from "../../../gateway/protocols/unread.ts";

const MODEL: ModelRef = { name: "m", select: { by: "default" } };

function kind(body: WireRequest["body"], model: ModelRef | undefined = MODEL) {
  const wire = { body, headers: new Map([["x-tenant", "t"]]) } as unknown as WireRequest;
  const planes = { tenant: (headers: ReadonlyMap<string, string>) => headers.get("x-tenant") } as unknown as Planes;
  return kindOf(wire, model, planes);
}

test("a kind is the model, the version that was named and the tenant", () => {
  expect(kind(Buffer.from('{"inputs":[]}'))).toEqual({ model: "m", version: "", tenant: "t" });
  const versioned = { name: "m", select: { by: "version", version: "2" } } as const;
  expect(kind(Buffer.from("{}"), versioned)?.version).toBe('{"by":"version","version":"2"}');
});

async function* stream() {
  yield Buffer.from("{}");
}

test.each([
  ["a priority", Buffer.from('{"inputs":[],"parameters":{"priority":1}}')],
  ["a sequence", Buffer.from('{"inputs":[],"parameters":{"sequence_id":1}}')],
  ["a large body", Buffer.alloc(64 * 1024 + 1)],
  ["a stream", stream()],
])("%s is read in any case", (_what, body) => {
  expect(kind(body)).toBeUndefined();
});

test("what names its model in its body is read", () => {
  expect(kindOf({ body: Buffer.from("{}") } as unknown as WireRequest, undefined, {} as Planes)).toBeUndefined();
});
