// What every kind of backend keeps to, whichever it is: a new one is tested by standing in the table below.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backendKinds } from "../../backends/registry.ts";
import { parseYaml } from "../../config/load.ts";
import type { Backend, BackendKind, Endpoint } from "../../core/backend.ts";
import { type OwnedCall, openCall } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import type { InferRequest, InferResponse } from "../../core/request.ts";
import { NO_PARAMETERS } from "../../core/tensor.ts";
import { systemClock, systemEnv } from "../../gateway/env.ts";
import { openLog } from "../../gateway/log.ts";
import { openSlicer } from "../../gateway/slicer.ts";
import { ROOT } from "../support/gateway.ts";
import { elements, type Plain, plain } from "../support/gateway-oip.ts";
import { until } from "../support/http-client.ts";
import { EXTERNAL_KINDS } from "./external-rows.ts";

/** How each kind is opened so that it has the demo's `add_sub` version 1. */
const OPTIONS: Readonly<Record<string, unknown>> = {
  onnx: { repository: "./models", workers: 1 },
};

const NEVER = new AbortController().signal;
const ROW = Array.from({ length: 16 }, (_, index) => index);

function requestFor(init: Partial<InferRequest> = {}): InferRequest {
  return {
    model: { name: "add_sub", select: { by: "version", version: "1" } },
    task: "infer",
    inputs: ["INPUT0", "INPUT1"].map((name) => plain(name, "INT32", [1, 16], ROW)),
    parameters: NO_PARAMETERS,
    stream: false,
    ...init,
  };
}

function aCall(timeoutMs?: number): OwnedCall {
  return openCall({
    id: "test",
    traceparent: "",
    clock: systemClock,
    protocol: "test",
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
}

test("every registered kind is in this table, or in that of the external servers", () => {
  expect([...Object.keys(OPTIONS), ...EXTERNAL_KINDS].sort()).toEqual(backendKinds.map((kind) => kind.kind).sort());
});

describe.each(backendKinds.filter((kind) => kind.kind in OPTIONS))("$kind", (kind: BackendKind) => {
  let backend: Backend;
  let endpoint: Endpoint;

  beforeAll(async () => {
    const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} });
    backend = await kind.open(kind.options.parse(OPTIONS[kind.kind]), {
      name: "b",
      env,
      baseDir: ROOT,
      parseYaml,
      run: openSlicer(env.clock),
    });
    await until(() => backend.catalog.list().every((status) => status.state === "ready"));
    endpoint = backend.endpoints.list()[0]!;
  });

  afterAll(() => backend.close());

  test("says its name and kind, and has endpoints whose ids begin with its name and differ", () => {
    expect([backend.name, backend.kind]).toEqual(["b", kind.kind]);
    const ids = backend.endpoints.list().map((one) => one.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^b\/./);
  });

  test("lists what it has, and its ready versions from old to new", () => {
    expect(backend.catalog.list()).toContainEqual({ name: "add_sub", version: "1", state: "ready" });
    expect(backend.catalog.ready("add_sub")).toEqual(["1"]);
    expect(backend.catalog.ready("nobody")).toBeUndefined();
    expect(backend.catalog.label("add_sub", "nothing")).toBeUndefined();
  });

  test("tells a model's signature, and not-found for a model or version that is not there", async () => {
    const metadata = await backend.metadata({ name: "add_sub" }, NEVER);
    expect([metadata.name, metadata.version, metadata.versions]).toEqual(["add_sub", "1", ["1"]]);
    expect(metadata.inputs.map((input) => [input.name, input.datatype, input.shape])).toEqual([
      ["INPUT0", "INT32", [-1, 16]],
      ["INPUT1", "INT32", [-1, 16]],
    ]);
    for (const model of [{ name: "nobody" }, { name: "add_sub", version: "9" }]) {
      await expect(backend.metadata(model, NEVER)).rejects.toMatchObject({ code: "not-found", origin: "client" });
    }
  });

  test("answers what was asked under the name there, and leaves the request's bytes as they were", async () => {
    const request = requestFor();
    const before = request.inputs.map((input) => Buffer.from(input.data).toString("hex"));
    const call = aCall();
    const reply = (await endpoint.infer(request, call)) as InferResponse;
    call.end();
    expect([reply.kind, reply.model]).toEqual(["whole", { name: "add_sub", version: "1" }]);
    expect(reply.outputs.map((output) => elements(output as Plain))).toEqual([ROW.map((x) => 2 * x), ROW.map(() => 0)]);
    expect(request.inputs.map((input) => Buffer.from(input.data).toString("hex"))).toEqual(before);
    expect(call.trace.facts).toMatchObject({ version: "1", backend: "b", endpoint: endpoint.id });
  });

  test("gives only the outputs asked for, in their order", async () => {
    const outputs = ["OUTPUT1", "OUTPUT0"].map((name) => ({ name, parameters: NO_PARAMETERS }));
    const call = aCall();
    const reply = (await endpoint.infer(requestFor({ outputs }), call)) as InferResponse;
    call.end();
    expect(reply.outputs.map((output) => output.name)).toEqual(["OUTPUT1", "OUTPUT0"]);
  });

  test.each([
    ["an unknown model", { model: { name: "nobody", select: { by: "default" } } }, "not-found"],
    ["an unknown version", { model: { name: "add_sub", select: { by: "version", version: "9" } } }, "not-found"],
    ["no inputs", { inputs: [] }, "invalid-argument"],
    ["an unknown output", { outputs: [{ name: "x", parameters: NO_PARAMETERS }] }, "invalid-argument"],
  ] as const)("refuses %s as the client's fault with an InferError", async (_what, init, code) => {
    const call = aCall();
    const failed = await endpoint
      .infer(requestFor(init as Partial<InferRequest>), call)
      .catch((error: unknown) => error);
    call.end();
    expect(failed).toBeInstanceOf(InferError);
    expect(failed).toMatchObject({ code, origin: "client" });
  });

  test("does nothing for a call that nobody waits for, and says why it was left", async () => {
    const left = aCall();
    left.cancel(new InferError("cancelled", "gone"));
    await expect(endpoint.infer(requestFor(), left)).rejects.toMatchObject({ code: "cancelled", message: "gone" });
    const late = aCall(0);
    await expect(endpoint.infer(requestFor(), late)).rejects.toMatchObject({ code: "deadline-exceeded" });
    left.end();
    late.end();
  });

  test("says which models it can answer for", async () => {
    expect(await endpoint.ready({ name: "add_sub" }, NEVER)).toBe(true);
    expect(await endpoint.ready({ name: "add_sub", version: "1" }, NEVER)).toBe(true);
    expect(await endpoint.ready({ name: "add_sub", version: "9" }, NEVER)).toBe(false);
    expect(await endpoint.ready({ name: "nobody" }, NEVER)).toBe(false);
  });

  test("gives every slot back that was taken, and once only", async () => {
    const call = aCall();
    const free = endpoint.slots.free;
    const lease = await endpoint.slots.take(1, call);
    expect(endpoint.slots.free).toBe(free - 1);
    lease.release("success");
    lease.release("success");
    call.end();
    expect(endpoint.slots.free).toBe(free);
  });

  test("once closed it takes no calls, and closing again does no harm", async () => {
    const call = aCall();
    await backend.close();
    await expect(endpoint.infer(requestFor(), call)).rejects.toMatchObject({ code: "unavailable" });
    call.end();
    expect(endpoint.available()).toBe(false);
    await backend.close();
  });
});
