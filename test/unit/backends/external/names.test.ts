import { describe, expect, test } from "vitest";
import type { Naming } from "../../../../backends/connection.ts";
import { type KnownSignature, openNames } from "../../../../backends/external/names.ts";
import { InferError } from "../../../../core/error.ts";
import type { Signature } from "../../../../core/model.ts";
import type { InferRequest, InferResponse } from "../../../../core/request.ts";
import { NO_PARAMETERS } from "../../../../core/tensor.ts";
import { fakeEnv } from "../../../support/fake-env.ts";
import { requestFor } from "../../../support/scripted.ts";

const spec = (name: string) => ({ name, datatype: "FP32", shape: [1] }) as const;
const signature = (...outputs: readonly string[]): Pick<Signature, "outputs"> => ({ outputs: outputs.map(spec) });
const reply = (...outputs: readonly string[]): InferResponse => ({
  kind: "whole",
  model: { name: "m", version: "1" },
  outputs: outputs.map((name) => ({ ...spec(name), data: new Uint8Array(4) })),
  parameters: NO_PARAMETERS,
});

interface Setting {
  known?: KnownSignature | undefined;
  /** What the server tells when it is asked. */
  told?: Pick<Signature, "outputs"> | InferError;
}

function setUp(setting: Setting) {
  const env = fakeEnv();
  const asked: string[] = [];
  const renewed: string[] = [];
  const names = openNames({
    env,
    known: () => setting.known,
    async ask({ name, version }) {
      asked.push(`${name} ${version ?? "newest"}`);
      if (setting.told instanceof InferError) throw setting.told;
      return setting.told ?? signature("a", "b");
    },
    renewed: (model) => renewed.push(model),
  });
  const held = async (naming: Naming, outputs: readonly string[], more: Partial<InferRequest> = {}) => {
    const answer = reply(...outputs);
    const request = { ...requestFor("m"), ...more };
    return (await names.hold(request, answer, naming)) === answer;
  };
  return { env, names, asked, renewed, held, setting };
}

const AB: KnownSignature = { ...signature("a", "b"), isTold: true };
const CASES: readonly (readonly [Naming, readonly string[], string])[] = [
  ["some", ["a", "b"], "passes"],
  ["some", ["b"], "passes"],
  ["some", ["b", "z"], "passes"],
  ["some", ["z"], 'output "z", which the model does not have'],
  ["only", ["a", "b"], "passes"],
  ["only", ["b"], "passes"],
  ["only", ["b", "z"], 'output "z", which the model does not have'],
  ["all", ["b", "a"], "passes"],
  ["all", ["b"], 'expected output "a", got none'],
  ["all", ["a", "b", "z"], 'output "z", which the model does not have'],
];

describe("an answer of a model with the outputs a and b", () => {
  test.each(CASES)("held to %s: %j %s", async (naming, outputs, said) => {
    const { held, asked, renewed } = setUp({ known: AB });
    if (said === "passes") {
      expect(await held(naming, outputs)).toBe(true);
      expect(asked).toEqual([]);
    } else {
      const expected = { code: "bad-backend", origin: "backend", retryable: "elsewhere" };
      await expect(held(naming, outputs)).rejects.toMatchObject(expected);
      await expect(held(naming, outputs)).rejects.toThrow(`the backend's answer: ${said}`);
      // it was asked whether the model is another one now, once for both
      expect(asked).toEqual(["m newest"]);
    }
    expect(renewed).toEqual([]);
  });

  test("is held at once where it is right, so that nobody waits", () => {
    const { names } = setUp({ known: AB });
    const answer = reply("a", "b");
    expect(names.hold(requestFor("m"), answer, "all")).toBe(answer);
  });

  test.each([
    ["chose its outputs", { outputs: [{ name: "z", parameters: NO_PARAMETERS }] }],
    ["named a signature", { signature: "other" }],
    ["named a label", { model: { name: "m", select: { by: "label", label: "stable" } } }],
    ["had another task", { task: "classify" }],
  ] as const)("passes where the request %s", async (_, more) => {
    const { held, asked } = setUp({ known: AB });
    expect(await held("all", ["z"], more)).toBe(true);
    expect(asked).toEqual([]);
  });

  test("passes where the signature is not known, or has no outputs", async () => {
    const { held, setting } = setUp({});
    expect(await held("all", ["z"])).toBe(true);
    setting.known = { outputs: [], isTold: true };
    expect(await held("all", ["z"])).toBe(true);
  });

  test("may have more than a config declares, and not only others", async () => {
    const { held } = setUp({ known: { ...AB, isTold: false }, told: new InferError("unsupported", "cannot tell") });
    expect(await held("all", ["a", "z"])).toBe(true);
    await expect(held("all", ["z"])).rejects.toThrow('output "z", which the model does not have');
  });
});

describe("a model that is another by now", () => {
  test("passes when the server tells so, and its signature is fetched anew", async () => {
    const { held, asked, renewed } = setUp({ known: AB, told: signature("c") });
    expect(await held("all", ["c"])).toBe(true);
    expect([asked, renewed]).toEqual([["m newest"], ["m"]]);
  });

  test("is asked about once a second, however many answers are wrong", async () => {
    const { held, asked, env, setting } = setUp({ known: AB, told: new InferError("unavailable", "late") });
    for (let n = 0; n < 100; n += 1) await expect(held("only", ["c"])).rejects.toMatchObject({ code: "bad-backend" });
    expect(asked).toHaveLength(1);
    env.clock.advance(1000);
    setting.told = signature("c");
    expect(await held("only", ["c"])).toBe(true);
    expect(asked).toHaveLength(2);
  });

  test("is another one once a second at most, while other servers still have what it was", async () => {
    const { held, env, renewed } = setUp({ known: AB, told: signature("c") });
    for (let n = 0; n < 100; n += 1) expect(await held("only", ["c"])).toBe(true);
    expect(renewed).toEqual(["m"]);
    env.clock.advance(1000);
    expect(await held("only", ["c"])).toBe(true);
    expect(renewed).toEqual(["m", "m"]);
  });

  test("is asked about once a second beside others of which the same is true", async () => {
    const { held, asked } = setUp({ known: AB });
    const model = (version: string) => ({ name: "m", select: { by: "version", version } }) as const;
    for (let n = 0; n < 20; n += 1) {
      await expect(held("only", ["c"], { model: model(`${n % 2}`) })).rejects.toMatchObject({ code: "bad-backend" });
    }
    expect(asked).toEqual(["m 0", "m 1"]);
  });

  test("is asked about in the version that was asked for", async () => {
    const { held, asked } = setUp({ known: AB });
    const model = { name: "m", select: { by: "version", version: "2" } } as const;
    await expect(held("only", ["c"], { model })).rejects.toMatchObject({ code: "bad-backend" });
    expect(asked).toEqual(["m 2"]);
  });
});

test("parts of a stream may have some of the outputs, or none, and no others", async () => {
  const { names } = setUp({ known: AB });
  async function* parts() {
    yield reply("a");
    yield reply();
    yield reply("z");
  }
  const held = await names.hold(requestFor("m"), { kind: "stream", parts: parts() }, "only");
  const seen: string[] = [];
  const read = async () => {
    if (held.kind === "stream")
      for await (const { outputs } of held.parts) seen.push(outputs.map((o) => o.name).join());
  };
  await expect(read()).rejects.toThrow('output "z"');
  expect(seen).toEqual(["a", ""]);
});
