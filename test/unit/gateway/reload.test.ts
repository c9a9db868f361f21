import { expect, test } from "vitest";
import { loadConfig } from "../../../config/load.ts";
import { InferError } from "../../../core/error.ts";
import { openMemoryHistory } from "../../../gateway/history.ts";
import { type ChangesOptions, openChanges } from "../../../gateway/reload.ts";
import { policyKinds } from "../../../policies/registry.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

const kinds = { backends: [fakeBackend().kind], policies: policyKinds };
const NOTE = { who: "me", why: "" };
const text = (timeout: string) => `timeout: ${timeout}\nbackends: {a: {kind: fake}}\n`;

function open(parts: Partial<ChangesOptions> = {}) {
  const env = fakeEnv();
  const load: ChangesOptions["load"] = (source, overrides) =>
    loadConfig({ text: source, file: "f.yaml", env: {}, overrides }, kinds);
  const first = load(text("1s"), []);
  if (!first.ok) throw new Error(JSON.stringify(first.mistakes));
  let config = first.config;
  const changes = openChanges({
    load,
    text: text("1s"),
    overrides: [],
    history: openMemoryHistory(),
    kinds: policyKinds,
    config: () => config,
    async replace(next) {
      config = next;
      return [];
    },
    replay: async () => [],
    time: () => "2026-01-01T00:00:00.000Z",
    log: env.log,
    ...parts,
  });
  return { changes, env, timeoutMs: () => config.timeoutMs };
}

test("changes that come at once are made one after the other, in their order", async () => {
  const { changes, timeoutMs } = open();
  const all = await Promise.all(["2s", "3s", "4s"].map((timeout) => changes.put(text(timeout), NOTE)));
  expect(all.map((one) => one.ok && one.entry.id)).toEqual([2, 3, 4]);
  expect(timeoutMs()).toBe(4000);
});

test("a config that cannot be opened is refused with every line that was said, and remembered nowhere", async () => {
  const replace = () => Promise.reject(new InferError("invalid-argument", "one\ntwo"));
  const { changes, env } = open({ replace });
  expect(await changes.put(text("2s"), NOTE)).toEqual({ ok: false, reasons: ["one", "two"] });
  expect(changes.history()).toHaveLength(1);
  expect(env.lines.map(({ level }) => level)).toEqual(["error"]);
});

test("after a change that was refused the next one is made", async () => {
  const { changes, timeoutMs } = open();
  const [refused, taken] = await Promise.all([changes.put("nonsense", NOTE), changes.put(text("2s"), NOTE)]);
  expect([refused.ok, taken.ok, timeoutMs()]).toEqual([false, true, 2000]);
});

test("a change is in force, and said to be, also when the history cannot be written", async () => {
  const history = openMemoryHistory();
  const { changes, env, timeoutMs } = open({ history });
  Object.assign(history, {
    add() {
      throw new Error("disk full");
    },
  });
  expect(await changes.put(text("2s"), NOTE)).toMatchObject({ ok: true, entry: { id: 2 } });
  expect(timeoutMs()).toBe(2000);
  expect(changes.inForce().text).toBe(text("2s"));
  expect(env.lines.map(({ level }) => level)).toEqual(["error", "info"]);
});

test("there is no way back before the first change", async () => {
  const { changes } = open();
  expect(await changes.rollback(undefined, NOTE)).toEqual({
    ok: false,
    reasons: ["expected an earlier config, got none: nothing has changed yet"],
  });
});
