import { expect, it } from "vitest";
import type { Backend } from "../../../core/backend.ts";
import { InferError } from "../../../core/error.ts";
import { firstLook } from "../../../gateway/first-look.ts";
import type { Target } from "../../../gateway/versions.ts";

/** A backend that knows no model yet, and endpoints that answer whether they have one as the test says. */
function openBackend(answers: readonly (() => Promise<boolean>)[]) {
  const models = new Set<string>();
  const catalog = new Set<() => void>();
  const pool = new Set<() => void>();
  let endpoints = answers.map((ready) => ({ ready }));
  const listen = (to: Set<() => void>) => (listener: () => void) => {
    to.add(listener);
    return () => to.delete(listener);
  };
  const backend = {
    catalog: { ready: (model: string) => (models.has(model) ? ["1"] : undefined), onChange: listen(catalog) },
    endpoints: { list: () => endpoints, onChange: listen(pool) },
  } as unknown as Backend;
  const tell = (listeners: ReadonlySet<() => void>) => {
    for (const listener of [...listeners]) listener();
  };
  return {
    target: { backend: "b", at: backend, model: "m", tags: [] } as Target,
    listening: () => catalog.size + pool.size,
    know(model: string) {
      models.add(model);
      tell(catalog);
    },
    come(...found: readonly (() => Promise<boolean>)[]) {
      endpoints = found.map((ready) => ({ ready }));
      tell(pool);
    },
  };
}

/** Looks, and says whether it has ended. */
function looking(targets: readonly Target[]) {
  const limit = new AbortController();
  const state = { ended: false, limit };
  void firstLook(targets, limit.signal).then(() => {
    state.ended = true;
  });
  return state;
}

const turns = async () => {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
};
const yes = async () => true;
const no = async () => false;
const down = () => Promise.reject(new InferError("unavailable", "down"));

it("ends at once where the model is known", async () => {
  const one = openBackend([() => new Promise(() => {})]);
  one.know("m");
  const look = looking([one.target]);
  await turns();
  expect([look.ended, one.listening()]).toEqual([true, 0]);
});

it("ends when the backend has seen that one of its servers has the model", async () => {
  const [one, other] = [openBackend([no, yes]), openBackend([yes])];
  const look = looking([one.target, other.target]);
  other.know("m");
  one.know("another");
  await turns();
  expect(look.ended).toBe(false);
  one.know("m");
  await turns();
  expect([look.ended, one.listening(), other.listening()]).toEqual([true, 0, 0]);
});

it("ends when none has it or can be asked", async () => {
  const one = openBackend([no, down]);
  const look = looking([one.target]);
  await turns();
  expect([look.ended, one.listening()]).toEqual([true, 0]);
});

it("waits for the first endpoints where they are still being found", async () => {
  const one = openBackend([]);
  const look = looking([one.target]);
  await turns();
  expect(look.ended).toBe(false);
  one.come(down);
  await turns();
  expect([look.ended, one.listening()]).toEqual([true, 0]);
});

it("ends with its signal, whoever has not answered", async () => {
  const silent = openBackend([() => new Promise(() => {})]);
  const nowhere = openBackend([]);
  const look = looking([silent.target, nowhere.target]);
  await turns();
  expect(look.ended).toBe(false);
  look.limit.abort();
  await turns();
  expect([look.ended, silent.listening(), nowhere.listening()]).toEqual([true, 0, 0]);
});
