// A gateway that starts while one of its backends is not there: ready for the models of the others, and for its own when it comes.

import { expect, test } from "vitest";
import { oip } from "../../backends/oip.ts";
import { line, startChaosServer } from "../support/chaos-http.ts";
import { openProxy } from "../support/chaos-proxy.ts";
import { startGateway } from "../support/gateway.ts";
import { until } from "../support/http-client.ts";

test("a backend that is absent at the start is 503 for its models alone, until it comes", async () => {
  const [here, late] = [await startChaosServer(), await startChaosServer()];
  const way = await openProxy(late.port);
  await way.set({ kind: "refuse" });
  const shared = "kind: oip, dialect: plain, health: {every: 100ms}";
  const gateway = await startGateway({
    yaml: `backends:
  here: {${shared}, endpoints: ["127.0.0.1:${here.port}"]}
  gone: {${shared}, endpoints: ["127.0.0.1:${way.port}"]}
models: {line: {backend: here}, other: {backend: gone, model: line}}`,
    kinds: [oip],
  });
  const ready = async (path: string) => (await gateway.ask({ path })).status;
  const infer = (model: string) =>
    gateway.ask({
      path: `/v2/models/${model}/infer`,
      body: JSON.stringify({ inputs: [{ name: "x", datatype: "INT32", shape: [1], data: [4] }] }),
    });
  await until(async () => (await ready("/v2/models/line/ready")) === 200);
  expect((await infer("line")).json<{ outputs: { data: number[] }[] }>().outputs[0]?.data).toEqual(line([4]));
  const refused = await infer("other");
  expect([refused.status, refused.headers["sluice-error-origin"]]).toEqual([503, "backend"]);
  expect(await ready("/v2/models/other/ready")).not.toBe(200);
  // the gateway itself is ready, for those models that are
  expect([await ready("/v2/health/ready"), (await gateway.admin("/readyz")).status]).toEqual([200, 200]);
  await way.set(undefined);
  await until(async () => (await ready("/v2/models/other/ready")) === 200);
  expect((await infer("other")).status).toBe(200);
  await gateway.close();
  for (const one of [way, here, late]) await one.close();
});
