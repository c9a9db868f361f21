// Limits as clients see them: over every front, and in the gateway's metrics.

import { afterEach, expect, test } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import { openCall } from "../../../core/call.ts";
import { deferInputs } from "../../../core/deferred.ts";
import type { WireReply } from "../../../core/protocol.ts";
import type { Service } from "../../../core/service.ts";
import { type Assembly, assemble } from "../../../gateway/assemble.ts";
import { systemClock, systemEnv } from "../../../gateway/env.ts";
import { openLog } from "../../../gateway/log.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { startGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";
import { askAt } from "../../support/matrix.ts";
import { specOf } from "../../support/matrix-backends.ts";
import { FRONTS } from "../../support/matrix-fronts.ts";
import { VALUES } from "../../support/matrix-values.ts";
import { scripted, wholeReply } from "../../support/scripted.ts";

const VALUE = VALUES.find(({ datatype, shape }) => datatype === "FP32" && shape.length === 2 && !shape.includes(0));
if (VALUE === undefined) throw new Error("no value to send");
const value = VALUE;

const echo: Service = async ({ inputs }) =>
  wholeReply("m", "1", { outputs: inputs.map((input) => ({ ...input, name: "y" })) });

let assembly: Assembly | undefined;
afterEach(() => assembly?.close());

/** A gateway whose model `m` is answered by the service, under the words. */
async function openOver(service: Service, words: string) {
  const fake = fakeBackend();
  fake.put("m", "1", { service, inputs: [specOf("x", value)], outputs: [specOf("y", value)] });
  const kinds = { backends: [fake.kind], policies: policyKinds };
  const text = `tenant: {header: x-tenant, trusted: true}\nbackends: {b: {kind: fake}}\nmodels: {m: {backend: b, ${words}}}`;
  const loaded = loadConfig({ text, file: "/test.yaml", env: {} }, kinds);
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
  assembly = await assemble(
    loaded.config,
    systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: () => {} }),
  );
  return assembly.planes;
}

const fronts = FRONTS.map((front) => [`${front.protocol} ${front.form}`, front] as const);

test.each(fronts)(
  "%s: beyond its rate a caller gets 429 or RESOURCE_EXHAUSTED, and when to come again",
  async (_, front) => {
    const planes = await openOver(echo, "limit: {rate: 1/m}");
    const { ask, listener } = askAt(front, { name: "m", planes });
    const message = front.send(value, "m");
    expect((await ask(message)).status).toBe(listener === "grpc" ? 0 : 200);
    const { status, headers } = await ask(message);
    if (listener === "grpc") {
      expect([status, Number(headers["grpc-retry-pushback-ms"]) > 50_000]).toEqual([8, true]);
    } else {
      expect([status, Number(headers["retry-after"]) > 50, headers["sluice-error-origin"]]).toEqual([
        429,
        true,
        "client",
      ]);
    }
  },
);

test.each(fronts)(
  "%s: beyond what a model may have at once a caller gets 503 or RESOURCE_EXHAUSTED",
  async (_, front) => {
    const { service, handle } = scripted();
    const planes = await openOver(service, "limit: {concurrency: 1, queue: 0}");
    const { ask, listener } = askAt(front, { name: "m", planes });
    const message = front.send(value, "m");
    const first = ask(message);
    const held = await handle.next();
    const { status, headers } = await ask(message);
    const pause = listener === "grpc" ? headers["grpc-retry-pushback-ms"] : headers["retry-after"];
    expect([status, pause, headers["sluice-error-origin"]]).toEqual(
      listener === "grpc" ? [8, "100", "gateway"] : [503, "1", "gateway"],
    );
    held.reply(await echo(held.request, held.call));
    expect((await first).status).toBe(listener === "grpc" ? 0 : 200);
  },
);

const step = (id: bigint) =>
  openCall({
    ...{ id: `${id}`, traceparent: "", protocol: "test" },
    clock: systemClock,
    sequence: { id, start: true, end: false },
  });
const asked = { task: "infer", parameters: new Map(), stream: false } as const;
const NAMED = { name: "m", select: { by: "default" } } as const;

test("a sequence takes its place in the model too", async () => {
  const { service, handle } = scripted();
  const planes = await openOver(service, "limit: {concurrency: 1, queue: 0}");
  const request = {
    ...asked,
    model: NAMED,
    inputs: [{ name: "x", datatype: value.datatype, shape: value.shape, data: value.data }],
  };
  const first = planes.data.infer(request, step(1n));
  const held = await handle.next();
  await expect(planes.data.infer(request, step(2n))).rejects.toMatchObject({ code: "overloaded", origin: "gateway" });
  held.reply(await echo(held.request, held.call));
  await first;
});

test("a sequence whose inputs are not decoded yet comes to its endpoint with their bytes", async () => {
  const planes = await openOver(echo, "limit: {concurrency: 1}");
  const input = { name: "x", datatype: value.datatype, shape: value.shape, data: value.data };
  const { data, ...head } = input;
  const inputs = deferInputs([head], async () => [input]);
  const reply = await planes.data.infer({ ...asked, model: NAMED, inputs }, step(1n));
  expect(reply.kind === "whole" && [...(reply.outputs[0]?.data ?? [])]).toEqual([...data]);
});

test("tenants each have their rate, and who is refused takes nothing of the others", async () => {
  const planes = await openOver(echo, "limit: {rate: 3/m, by: tenant}");
  const [, front] = fronts[0] as (typeof fronts)[number];
  const passed = async (tenant: string) => {
    const { ask } = askAt(front, { name: "m", planes: { ...planes, tenant: () => tenant } });
    const replies: WireReply[] = [];
    for (let i = 0; i < 5; i += 1) replies.push(await ask(front.send(value, "m")));
    return replies.filter(({ status }) => status === 200).length;
  };
  expect([await passed("a"), await passed("a"), await passed("b")]).toEqual([3, 0, 3]);
});

test("a rate at the top of the config is one share of all models, and goes on when the config changes elsewhere", async () => {
  const fake = fakeBackend();
  for (const name of ["m", "n"]) fake.put(name, "1", { service: echo });
  const yaml = (limit: string, more = "") =>
    `limit: ${limit}\nbackends: {b: {kind: fake}}\nmodels: {m: {backend: b}, n: {backend: b${more}}}`;
  const gateway = await startGateway({ yaml: yaml("{rate: 3/h}"), kinds: [fake.kind] });
  try {
    const ask = async (model: string) =>
      (await gateway.ask({ path: `/v2/models/${model}/infer`, body: '{"inputs":[]}' })).status;
    const asked = [await ask("m"), await ask("n"), await ask("absent"), await ask("m")];
    expect(asked).toEqual([200, 200, 404, 429]);
    const listen = 'listen: {http: "127.0.0.1:0", grpc: "127.0.0.1:0", admin: "127.0.0.1:0"}';
    const put = (text: string) => gateway.running.changes?.put(`${listen}\n${text}`, { who: "test", why: "" });
    expect(await put(yaml("{rate: 3/h}", ", timeout: 9s"))).toMatchObject({ ok: true });
    expect([await ask("m"), await ask("n")]).toEqual([429, 429]);
    expect(await put(yaml("{rate: 1/h}"))).toMatchObject({ ok: true });
    expect([await ask("m"), await ask("n")]).toEqual([200, 429]);
    expect((await gateway.metrics()).sum("sluice_rate_limited_total", { model: "", by: "model" })).toBe(4);
  } finally {
    await gateway.close();
  }
});

test("refusals and queues are in the metrics", async () => {
  const fake = fakeBackend();
  const { service, handle } = scripted();
  fake.put("m", "1", { service });
  const words = "limit: [{rate: 4/h}, {concurrency: 1, queue: 1}]";
  const yaml = `backends: {b: {kind: fake}}\nmodels: {m: {backend: b, ${words}}}`;
  const gateway = await startGateway({ yaml, kinds: [fake.kind] });
  try {
    const ask = () => gateway.ask({ path: "/v2/models/m/infer", body: '{"inputs":[]}' });
    const first = ask();
    const held = await handle.next();
    const second = ask();
    const waiting = async () => (await gateway.metrics()).sum("sluice_limit_queue_calls", { model: "m" });
    while ((await waiting()) === 0);
    expect((await ask()).status).toBe(503);
    held.reply(wholeReply("m", "1"));
    (await handle.next()).reply(wholeReply("m", "1"));
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
    const fourth = ask();
    (await handle.next()).reply(wholeReply("m", "1"));
    await fourth;
    expect((await ask()).json().error).toMatch(/^model "m" allows 4\/h; the next request fits in [\d.]+[a-z]+$/);
    const metrics = await gateway.metrics();
    expect(metrics.sum("sluice_limit_calls", { model: "m" })).toBe(1);
    expect(metrics.sum("sluice_limit_queue_calls", { model: "m" })).toBe(0);
    expect(metrics.sum("sluice_limit_shed_total", { model: "m", reason: "full" })).toBe(1);
    expect(metrics.sum("sluice_rate_limited_total", { model: "m", by: "model" })).toBe(1);
  } finally {
    await gateway.close();
  }
});
