// A change of the config that brings a server along: it is looked at before the change is in force, not by the first request.

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { oip } from "../../../backends/oip.ts";
import type { Change } from "../../../core/change.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Opened {
  readonly port: number;
  /** From now on it answers nothing but inference. */
  fallSilent(): void;
}

/** A server of the Open Inference Protocol with one model, whose input has this datatype. */
async function openServer(datatype = "FP32"): Promise<Opened> {
  let silent = false;
  const x = { name: "x", datatype, shape: [-1, 1] };
  const y = { name: "y", datatype: "FP32", shape: [-1, 1] };
  const answerTo = (path: string): unknown => {
    if (path === "/v2") return { name: "s", version: "1", extensions: [] };
    if (path === "/whoami") return { datatype };
    if (path.endsWith("/infer")) return { model_name: "m", outputs: [{ ...y, shape: [1, 1], data: [1] }] };
    const isModel = /^\/v2\/models\/m(\/versions\/1)?$/.test(path);
    return isModel ? { name: "m", versions: ["1"], platform: "p", inputs: [x], outputs: [y] } : {};
  };
  const server: Server = createServer((request, response) => {
    const path = request.url ?? "";
    if (silent && !path.endsWith("/infer")) return;
    request.resume().once("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(answerTo(path)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent() {
      silent = true;
    },
  };
}

const LISTEN = 'listen: {http: "127.0.0.1:0", admin: "127.0.0.1:0"}\n';
const backendsOf = (ports: readonly number[]) =>
  `backends:\n${ports.map((port, i) => `  b${i}: {kind: oip, protocol: http, endpoints: ["http://127.0.0.1:${port}"]}\n`).join("")}`;

async function start(yaml: string): Promise<TestGateway> {
  const gateway = await startGateway({ yaml: LISTEN + yaml, kinds: [oip] });
  closers.push(() => gateway.close());
  return gateway;
}

const changeTo = (gateway: TestGateway, yaml: string): Promise<Change> =>
  gateway.running.changes!.put(LISTEN + yaml, { who: "test", why: "" });

const BODY = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,1],"data":[1]}]}';

test("the first request to a new server is answered though the server tells nothing of itself any longer", async () => {
  const [one, two] = [await openServer(), await openServer()];
  const yaml = (ports: readonly number[], more = "") => `${backendsOf(ports)}models:\n  m: {backend: b0}\n${more}`;
  const gateway = await start(yaml([one.port]));
  const change = await changeTo(gateway, yaml([one.port, two.port], "  n: {backend: b1, model: m, batch: true}\n"));
  expect(change).toMatchObject({ ok: true });
  two.fallSilent();
  expect((await gateway.ask({ path: "/v2/models/n/infer", body: BODY })).status).toBe(200);
});

test("a change to a version on a new server with another signature is refused, though nobody had asked it before", async () => {
  const [one, two] = [await openServer(), await openServer("FP64")];
  const versions = (more: string) => `models: {m: {versions: {1: {backend: b0, version: 1}${more}}}}`;
  const gateway = await start(backendsOf([one.port]) + versions(""));
  const other = backendsOf([one.port, two.port]) + versions(", 2: {backend: b1, version: 1}");
  expect(await changeTo(gateway, other)).toEqual({
    ok: false,
    reasons: [
      'models.m: version 2 on backend "b1": input "x": expected FP32 [-1,1], got FP64 [-1,1], as version 1 has it',
    ],
  });
  await expect(start(other)).rejects.toThrow("expected FP32 [-1,1], got FP64 [-1,1]");
});

test("a change to a server that is not there is in force at once, and says which model has none", async () => {
  const one = await openServer();
  const gone = await openServer();
  await closers.pop()?.();
  const yaml = (ports: readonly number[], more = "") => `${backendsOf(ports)}models:\n  m: {backend: b0}\n${more}`;
  const gateway = await start(yaml([one.port]));
  const change = await changeTo(gateway, yaml([one.port, gone.port], "  n: {backend: b1, model: m}\n"));
  expect(change).toMatchObject({ ok: true });
  expect((await gateway.ask({ path: "/v2/models/n/infer", body: BODY })).status).toBe(503);
});

test("paths that are passed through to a backend lead to the servers that it has now", async () => {
  const [one, two] = [await openServer(), await openServer("FP64")];
  const passthrough = "passthrough: {/board: {backend: b0}}\n";
  const gateway = await start(backendsOf([one.port]) + passthrough);
  const whoami = async () => {
    const { status, body } = await gateway.ask({ path: "/board/whoami" });
    return [status, `${body}`];
  };
  expect(await whoami()).toEqual([200, '{"datatype":"FP32"}']);
  expect(await changeTo(gateway, backendsOf([two.port]) + passthrough)).toMatchObject({ ok: true });
  expect(await whoami()).toEqual([200, '{"datatype":"FP64"}']);
  const withTls = backendsOf([two.port]).replace("protocol: http,", "protocol: http, tls: {},");
  const tls = withTls.replace(`http://127.0.0.1:${two.port}`, `127.0.0.1:${two.port}`);
  // a server that takes TLS is not asked without
  expect(await changeTo(gateway, tls + passthrough)).toMatchObject({ ok: true });
  expect(await whoami()).toEqual([503, '{"error":"the server behind this path is not known now"}']);
});
