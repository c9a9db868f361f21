// What the cache gives of a model that is replaced on the real Triton behind the gateway's back: how long the old, and what ends that.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { triton } from "../../backends/triton.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { jsonBody, plain } from "../support/gateway-oip.ts";
import { ask as askAt, until } from "../support/http-client.ts";
import { startTriton } from "./servers/triton.ts";
import { realServer } from "./support/suite.ts";

/** Longer than Triton takes to see another file and load it. */
const TTL_S = 12;

realServer(
  "triton",
  () => startTriton({ models: ["factor"], control: "poll" }),
  (server) => {
    let gateway: TestGateway;

    beforeAll(async () => {
      gateway = await startGateway({
        kinds: [triton],
        yaml: `
backends: {there: {kind: triton, endpoints: ["http://127.0.0.1:${server().http}"]}}
models:
  short: {backend: there, model: factor, cache: {ttl: ${TTL_S}s}}
  long: {backend: there, model: factor, cache: {ttl: 1h}}
`,
      });
    });
    afterAll(() => gateway.close());
    const isReady = async (model: string) => (await gateway.ask({ path: `/v2/models/${model}/ready` })).status === 200;

    const { body, headers } = jsonBody([plain("x", "INT32", [1], [7])]);
    const other = (x: number) => jsonBody([plain("x", "INT32", [1], [x])]);
    const read = (answer: Awaited<ReturnType<typeof askAt>>) => {
      const [y] = answer.json<{ outputs?: readonly { data: readonly number[] }[] }>().outputs ?? [];
      return {
        status: answer.status,
        factor: (y?.data[0] ?? 0) / 7,
        state: answer.headers["sluice-cache"],
        age: Number(answer.headers.age ?? 0),
      };
    };
    const ask = async (model: string) => read(await gateway.ask({ path: `/v2/models/${model}/infer`, body, headers }));
    const there = async () =>
      read(await askAt({ port: server().http, method: "POST", path: "/v2/models/factor/infer", body, headers }));
    const isReadyThere = async () =>
      (await askAt({ port: server().http, path: "/v2/models/factor/ready" })).status === 200;
    const write = (factor: number) => writeFile(join(server().folder, "models/factor/1/factor.txt"), `${factor}`);

    it("the old one's answers are given until their ttl and no longer, when it is replaced without ever being not ready", async () => {
      await until(() => isReady("short"), 30_000);
      expect(await ask("short")).toMatchObject({ factor: 2, state: "miss" });
      let neverAway = true;
      await write(3);
      await until(async () => {
        neverAway &&= await isReadyThere();
        return (await there()).factor === 3;
      }, 30_000);
      // nothing that the gateway could have seen
      expect(neverAway).toBe(true);
      const seen: Awaited<ReturnType<typeof ask>>[] = [];
      await until(
        async () => {
          seen.push(await ask("short"));
          return seen.at(-1)?.factor === 3;
        },
        1_000 * (TTL_S + 5),
      );
      const old = seen.slice(0, -1);
      expect(old.length).toBeGreaterThan(0);
      for (const one of old) expect(one).toMatchObject({ factor: 2, state: "hit" });
      expect(Math.max(0, ...old.map(({ age }) => age))).toBeLessThan(TTL_S);
    });

    it("a purge after the replacement ends that at once", async () => {
      expect(await ask("long")).toMatchObject({ factor: 3, state: "miss" });
      await write(4);
      await until(async () => (await there()).factor === 4, 30_000);
      expect(await ask("long")).toMatchObject({ factor: 3, state: "hit" });
      const path = "/admin/cache/purge?model=long";
      expect((await askAt({ port: gateway.adminPort, method: "POST", path })).status).toBe(200);
      expect(await ask("long")).toMatchObject({ factor: 4, state: "miss" });
      expect(await ask("long")).toMatchObject({ factor: 4, state: "hit" });
    });

    it("another model with another signature ends that by itself, though it was never not ready", async () => {
      expect(await ask("long")).toMatchObject({ factor: 4, state: "hit" });
      const config = join(server().folder, "models/factor/config.pbtxt");
      const text = await readFile(config, "utf8");
      const other = text.replace(/(output \[\{ name: "y"[^}]*dims: )\[-1\]/, "$1[1]");
      expect(other).not.toBe(text);
      await write(6);
      await writeFile(config, other);
      let neverAway = true;
      const seen: Awaited<ReturnType<typeof ask>>[] = [];
      await until(async () => {
        neverAway &&= await isReadyThere();
        seen.push(await ask("long"));
        return seen.at(-1)?.factor === 6;
      }, 30_000);
      expect(neverAway).toBe(true);
      for (const one of seen.slice(0, -1)) expect(one).toMatchObject({ factor: 4, state: "hit" });
      expect(seen.at(-1)).toMatchObject({ state: "miss" });
    });

    it("a server that was stopped and started with another model on the same port gives none of the old one's answers", async () => {
      expect(await ask("long")).toMatchObject({ factor: 6, state: "hit" });
      await write(5);
      const back = server().restart();
      let x = 1_000;
      // one request that was never asked before finds nobody there
      await until(
        async () => (await gateway.ask({ path: "/v2/models/long/infer", ...other(x++) })).status === 503,
        30_000,
      );
      await back;
      const seen: Awaited<ReturnType<typeof ask>>[] = [];
      await until(async () => {
        seen.push(await ask("long"));
        return seen.at(-1)?.status === 200;
      }, 30_000);
      expect(seen.at(-1)).toMatchObject({ factor: 5, state: "miss" });
      expect(await ask("long")).toMatchObject({ factor: 5, state: "hit" });
    });
  },
);
