import { describe, expect, test } from "vitest";
import { openSignatures } from "../../../../backends/external/signatures.ts";
import type { Said, Teller } from "../../../../backends/external/telling.ts";
import { InferError } from "../../../../core/error.ts";
import type { ModelMetadata, Signature } from "../../../../core/model.ts";
import { evenEnv, pass, SIGNATURE, settle, UNREACHABLE } from "./fake-server.ts";

const NEVER = new AbortController().signal;
const OTHER: Signature = { ...SIGNATURE, inputs: [{ name: "x", datatype: "FP64", shape: [-1, 4] }] };
const CANNOT = new InferError("unsupported", "such a server cannot tell");

interface Player extends Teller {
  healthy: boolean;
  serving: boolean;
  says: Signature | InferError | "nothing";
  asked: string[];
}

function player(id: string, says: Player["says"] = SIGNATURE): Player {
  const one: Player = {
    id,
    healthy: true,
    serving: true,
    says,
    asked: [],
    serves: () => one.serving,
    async metadata({ name, version = "1" }, signal): Promise<ModelMetadata> {
      one.asked.push(`${name} ${version}`);
      await settle();
      if (one.says === "nothing")
        return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      if (one.says instanceof InferError) throw one.says;
      return { name, version, versions: [], platform: "fake", stateful: false, ...one.says };
    },
  };
  return one;
}

function setUp(players: readonly Player[], said: Said = {}) {
  const env = evenEnv();
  const ready: Record<string, readonly string[]> = { m: ["1", "2"] };
  const config = { said };
  const signatures = openSignatures({
    backend: "b",
    kind: "fake",
    env,
    catalog: { ready: (model) => ready[model] },
    tellers: () => players,
    said: () => config.said,
  });
  const asked = () => players.map((one) => one.asked.length);
  const warnings = () => env.lines.filter(({ level }) => level === "warn").map(({ message }) => message);
  return { env, ready, config, signatures, asked, warnings };
}

/** Long enough for everything in the background. */
async function rest(): Promise<void> {
  for (let i = 0; i < 10; i++) await settle();
}

describe("a signature", () => {
  test("is asked for once by a thousand askers, and is kept", async () => {
    const a = player("b/a");
    const { signatures, asked } = setUp([a]);
    const answers = await Promise.all(
      Array.from({ length: 1000 }, () => signatures.get({ name: "m", version: "1" }, NEVER)),
    );
    await signatures.get({ name: "m", version: "1" }, NEVER);
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toEqual({
      name: "m",
      version: "1",
      versions: ["1", "2"],
      platform: "fake",
      stateful: false,
      ...SIGNATURE,
    });
    expect(asked()).toEqual([1]);
  });

  test("without a version is that of the newest ready one", async () => {
    const a = player("b/a");
    const { signatures } = setUp([a]);
    expect((await signatures.get({ name: "m" }, NEVER)).version).toBe("2");
    expect(a.asked).toEqual(["m 2"]);
  });

  test("is asked of a healthy server that has the model", async () => {
    const [a, b, c] = [player("b/a"), player("b/b"), player("b/c")];
    a.healthy = false;
    b.serving = false;
    const { signatures, asked } = setUp([a, b, c]);
    await signatures.get({ name: "m", version: "1" }, NEVER);
    expect(asked()).toEqual([0, 0, 1]);
  });

  test("is asked of the next server when one cannot be reached, of three at most", async () => {
    const players = ["b/a", "b/b", "b/c", "b/d"].map((id) => player(id, UNREACHABLE));
    const { signatures, asked } = setUp(players);
    await expect(signatures.get({ name: "m", version: "1" }, NEVER)).rejects.toThrow("no connection");
    expect(asked()).toEqual([1, 1, 1, 0]);
  });

  test("that cannot be had is not asked for again within a second, at whatever rate it is wanted", async () => {
    const a = player("b/a", CANNOT);
    const { env, signatures, asked } = setUp([a]);
    for (let i = 0; i < 100; i++) await expect(signatures.get({ name: "m", version: "1" }, NEVER)).rejects.toBe(CANNOT);
    expect(asked()).toEqual([1]);
    await pass(env, 1000);
    await expect(signatures.get({ name: "m", version: "1" }, NEVER)).rejects.toBe(CANNOT);
    expect(asked()).toEqual([2]);
  });

  test("is waited for as long as the caller waits, and the answer is kept for the next", async () => {
    const a = player("b/a");
    const { signatures, asked } = setUp([a]);
    const leaving = new AbortController();
    const left = signatures.get({ name: "m", version: "1" }, leaving.signal);
    leaving.abort(new InferError("cancelled", "left"));
    await expect(left).rejects.toThrow("left");
    await rest();
    await signatures.get({ name: "m", version: "1" }, NEVER);
    expect(asked()).toEqual([1]);
  });

  test("of a server that answers nothing is given up after ten seconds", async () => {
    const a = player("b/a", "nothing");
    const { env, signatures } = setUp([a]);
    const got = signatures.get({ name: "m", version: "1" }, NEVER);
    const thrown = expect(got).rejects.toThrow("no signature within 10s");
    await pass(env, 10_000, 1000);
    await thrown;
    expect(env.clock.pending).toBe(0);
  });
});

describe("a declared signature", () => {
  test("holds where the server cannot tell", async () => {
    const a = player("b/a", CANNOT);
    const { signatures, asked } = setUp([a], { declared: SIGNATURE });
    const got = await signatures.get({ name: "m", version: "1" }, NEVER);
    expect(got).toEqual({
      name: "m",
      version: "1",
      versions: ["1", "2"],
      platform: "fake",
      stateful: false,
      ...SIGNATURE,
    });
    await signatures.get({ name: "m", version: "1" }, NEVER);
    expect(asked()).toEqual([1]);
  });

  test("holds while no server can be asked, and only so long", async () => {
    const a = player("b/a", OTHER);
    a.healthy = false;
    const { signatures } = setUp([a], { declared: SIGNATURE });
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).inputs).toEqual(SIGNATURE.inputs);
    a.healthy = true;
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).inputs).toEqual(OTHER.inputs);
  });

  test("that is not the server's gives way, with a warning that names the difference", async () => {
    const a = player("b/a", OTHER);
    const { signatures, warnings } = setUp([a], { declared: SIGNATURE });
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).inputs).toEqual(OTHER.inputs);
    expect(warnings()).toEqual([
      'model "m" version 1: the config declares another signature than b/a has: input "x" is FP32 [-1,4] in the first, FP64 [-1,4] in the second',
    ]);
  });

  test("that changes takes the place of the one before", async () => {
    const a = player("b/a", CANNOT);
    const { config, signatures } = setUp([a], { declared: SIGNATURE });
    await signatures.get({ name: "m", version: "1" }, NEVER);
    config.said = { declared: OTHER };
    signatures.redeclare("m");
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).inputs).toEqual(OTHER.inputs);
  });

  test("the word batchDim says whether the first dimension counts rows", async () => {
    const [a, b] = [player("b/a"), player("b/a", { inputs: [], outputs: [] })];
    const off = await setUp([a], { batchDim: false }).signatures.get({ name: "m" }, NEVER);
    const on = await setUp([b], { batchDim: true }).signatures.get({ name: "m" }, NEVER);
    expect(off).not.toHaveProperty("batchDim");
    expect(on.batchDim).toBe(0);
  });
});

describe("what is known", () => {
  test("is asked for in the background, each version once", async () => {
    const a = player("b/a");
    const { signatures } = setUp([a]);
    signatures.prepare("m");
    signatures.prepare("m");
    await rest();
    expect(a.asked).toEqual(["m 1", "m 2"]);
  });

  test("from a server is asked again when the model became ready there anew", async () => {
    const a = player("b/a");
    const { signatures } = setUp([a]);
    await signatures.get({ name: "m", version: "1" }, NEVER);
    a.says = OTHER;
    signatures.renew(["m", "unknown"], "b/a");
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).inputs).toEqual(OTHER.inputs);
    await rest();
    expect(a.asked.filter((one) => one === "m 1")).toHaveLength(2);
  });

  test("is compared with every other server's word, and a difference is warned of once", async () => {
    const [a, b, c] = [player("b/a"), player("b/b", OTHER), player("b/c")];
    const { signatures, asked, warnings } = setUp([a, b, c]);
    await signatures.get({ name: "m", version: "1" }, NEVER);
    await rest();
    expect(asked()).toEqual([1, 1, 1]);
    signatures.renew(["m"], "b/b");
    await rest();
    expect(b.asked.filter((one) => one === "m 1")).toHaveLength(2);
    expect(warnings()).toEqual([
      'model "m" version 1: b/b has another signature than b/a: input "x" is FP32 [-1,4] in the first, FP64 [-1,4] in the second',
      'model "m" version 2: b/b has another signature than b/a: input "x" is FP32 [-1,4] in the first, FP64 [-1,4] in the second',
    ]);
  });

  test("is forgotten whole when the versions are others", async () => {
    const a = player("b/a");
    const { ready, signatures } = setUp([a]);
    await signatures.get({ name: "m", version: "1" }, NEVER);
    ready.m = ["1", "2", "3"];
    signatures.forget("m");
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).versions).toEqual(["1", "2", "3"]);
  });

  test("an answer that was old before it came reaches those who waited and is not kept", async () => {
    const a = player("b/a");
    const { signatures } = setUp([a]);
    const first = signatures.get({ name: "m", version: "1" }, NEVER);
    signatures.forget("m");
    expect((await first).inputs).toEqual(SIGNATURE.inputs);
    a.says = OTHER;
    await rest();
    signatures.forget("m");
    expect((await signatures.get({ name: "m", version: "1" }, NEVER)).inputs).toEqual(OTHER.inputs);
  });

  test("nothing goes on after the end", async () => {
    const a = player("b/a", "nothing");
    const { env, signatures, asked } = setUp([a]);
    const got = signatures.get({ name: "m", version: "1" }, NEVER);
    const thrown = expect(got).rejects.toThrow('backend "b" is closed');
    await settle();
    signatures.close();
    await thrown;
    signatures.prepare("m");
    await rest();
    expect(asked()).toEqual([1]);
    expect(env.clock.pending).toBe(0);
  });
});
