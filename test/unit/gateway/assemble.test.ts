import { expect, test } from "vitest";
import { z } from "zod";
import { type Config, deepFreeze } from "../../../config/config.ts";
import { loadConfig } from "../../../config/load.ts";
import { type BackendKind, fixedPool } from "../../../core/backend.ts";
import { InferError } from "../../../core/error.ts";
import { assemble } from "../../../gateway/assemble.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { fakeEnv } from "../../support/fake-env.ts";

/** A kind that tells what is opened and closed; `fail: true` cannot be opened. */
function recorder() {
  const log: string[] = [];
  const kind: BackendKind = {
    kind: "recorded",
    options: z.strictObject({ size: z.int().default(1), fail: z.boolean().default(false) }),
    async open(options, { name }) {
      const { size, fail } = options as { readonly size: number; readonly fail: boolean };
      log.push(`open ${name} ${size}`);
      if (fail) throw new InferError("unavailable", `${name} cannot be opened`);
      const model = { name: `of-${name}`, version: "1", state: "ready" } as const;
      return {
        name,
        kind: "recorded",
        catalog: {
          list: () => [model],
          ready: (asked) => (asked === model.name ? ["1"] : undefined),
          label: () => undefined,
          onChange: () => () => {},
        },
        endpoints: fixedPool([]),
        metadata: () => Promise.reject(new InferError("unavailable", "tells nothing")),
        close: async () => void log.push(`close ${name} ${size}`),
      };
    },
  };
  const config = (text: string): Config => {
    const kinds = { backends: [kind], policies: policyKinds };
    const loaded = loadConfig({ text, file: "sluice.yaml", env: {} }, kinds);
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.mistakes));
    return deepFreeze(loaded.config);
  };
  return { log, config };
}

test("a backend whose options are the same is handed to the next assembly, another is opened and closed in its turn", async () => {
  const { log, config } = recorder();
  const env = fakeEnv();
  const first = await assemble(config("backends: {a: {kind: recorded}, b: {kind: recorded, size: 1}}"), env);
  const second = await assemble(config("backends: {b: {size: 2, kind: recorded}, a: {kind: recorded}}"), env, first);
  expect(second.backends[1]).toBe(first.backends[0]);
  await first.close();
  expect(log).toEqual(["open a 1", "open b 1", "open b 2", "close b 1"]);
  await second.close();
  expect(log.slice(4)).toEqual(["close a 1", "close b 2"]);
});

test("an assembly that cannot be opened whole leaves nothing open, and what the running one uses stays", async () => {
  const { log, config } = recorder();
  const env = fakeEnv();
  const running = await assemble(config("backends: {a: {kind: recorded}}"), env);
  const broken = config("backends: {a: {kind: recorded}, b: {kind: recorded}, c: {kind: recorded, fail: true}}");
  await expect(assemble(broken, env, running)).rejects.toThrow("c cannot be opened");
  expect(log).toEqual(["open a 1", "open b 1", "open c 1", "close b 1"]);
  await running.close();
  expect(log.at(-1)).toBe("close a 1");
});

test("a configured model that its backend does not have is warned of, and is nobody's mistake but the backend's", async () => {
  const { config } = recorder();
  const env = fakeEnv();
  const { planes } = await assemble(
    config("backends: {a: {kind: recorded}}\nmodels: {m: {backend: a, model: x}}"),
    env,
  );
  expect(env.lines.map(({ message }) => message)).toEqual(['models.m: backend "a" has no model "x" now']);
  const ref = { name: "m", select: { by: "default" } } as const;
  const { signal } = new AbortController();
  await expect(planes.data.signature(ref, signal)).rejects.toMatchObject({ code: "unavailable", origin: "backend" });
  await expect(planes.data.ready(ref, signal)).resolves.toBe(false);
});

test("a tenant is read only from the header that the config trusts", async () => {
  const { config } = recorder();
  const headers = new Map([["x-tenant", "acme"]]);
  const open = await assemble(config("backends: {a: {kind: recorded}}"), fakeEnv());
  expect(open.planes.tenant(headers)).toBeUndefined();
  const trusting = config("backends: {a: {kind: recorded}}\ntenant: {header: X-Tenant, trusted: true}");
  expect((await assemble(trusting, fakeEnv())).planes.tenant(headers)).toBe("acme");
});
