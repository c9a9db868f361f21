import { describe, expect, it } from "vitest";
import { http, httpServer } from "../../../../backends/http.ts";
import type { Signature } from "../../../../core/model.ts";
import {
  ask,
  connectKind,
  faultOf,
  kindDoor,
  numbers,
  outputsOf,
  type Play,
  someCall,
} from "../../../support/kind-door.ts";

const tested = { kind: http, server: httpServer };
const x = numbers("x", "FP32", [2, 2], [1, 2.5, -0, 4]);

function infer(
  words: object,
  play: Play,
  more: { signature?: Signature; inputs?: Parameters<typeof ask>[1]; model?: string } = {},
) {
  const door = kindDoor(play, more.signature === undefined ? {} : { signature: more.signature });
  const connection = connectKind(tested, words, door);
  const reply = connection.infer(ask(more.model ?? "score", more.inputs ?? [x]), someCall());
  return { door, reply };
}

const scores = (...outputs: Signature["outputs"]): Signature => ({ inputs: [], outputs });

describe("an answer's expressions", () => {
  const answer =
    '{"n": 9223372036854775807, "preds": [{"label": "cat", "score": 1.0, "id": 9007199254740993}, {"label": "dog", "score": 2.0, "id": 2}], "nan": [NaN, -Infinity], "deep": {"a.b": [[1], [2]]}}';
  it.each([
    ["n", "INT64", [], [9223372036854775807n]],
    ["preds[0].id", "INT64", [], [9007199254740993n]],
    ["preds[*].id", "INT64", [2], [9007199254740993n, 2n]],
    ["preds[*].score", "FP32", [2], [1, 2]],
    ["preds[?label == 'dog'].score", "FP32", [1], [2]],
    ["preds[?score > `1.5`].id", "INT64", [1], [2n]],
    ["preds[?id > `1`].id", "INT64", [1], [2n]],
    ["nan", "FP32", [2], [Number.NaN, Number.NEGATIVE_INFINITY]],
    ["nan[*]", "FP32", [2], [Number.NaN, Number.NEGATIVE_INFINITY]],
    ['deep."a.b"', "INT64", [2, 1], [1n, 2n]],
    ['deep."a.b"[]', "INT64", [2], [1n, 2n]],
    ["length(preds)", "INT64", [], [2n]],
    ["sum(preds[*].score)", "INT64", [], [3n]],
    ["preds[-1].score", "FP32", [], [2]],
    ["[n, preds[0].id]", "INT64", [2], [9223372036854775807n, 9007199254740993n]],
  ])("%s picks %s of shape %j", async (expression, datatype, shape, values) => {
    const { reply } = infer({ response: { outputs: { y: expression } } }, () => ({ body: answer }));
    const [y] = outputsOf(await reply);
    expect([y!.datatype, y!.shape]).toEqual([datatype, shape]);
    const data = Uint8Array.from(y!.data).buffer;
    expect([...(datatype === "INT64" ? new BigInt64Array(data) : new Float32Array(data))]).toEqual(values);
  });

  it("are read by the signature, with 64-bit integers and doubles exact", async () => {
    const { reply } = infer({ response: { outputs: { n: "n", s: "preds[*].score" } } }, () => ({ body: answer }), {
      signature: scores({ name: "n", datatype: "UINT64", shape: [] }, { name: "s", datatype: "FP64", shape: [-1] }),
    });
    const [n, s] = outputsOf(await reply);
    expect(new BigUint64Array(Uint8Array.from(n!.data).buffer)[0]).toBe(9223372036854775807n);
    expect([...new Float64Array(Uint8Array.from(s!.data).buffer)]).toEqual([1, 2]);
  });

  it.each([
    ["missing", 'the backend\'s answer: output "y": expected a value at missing, got none'],
    ["preds[7]", 'the backend\'s answer: output "y": expected a value at preds[7], got none'],
    ["n.a", 'the backend\'s answer: output "y": expected a value at n.a, got none'],
    ["abs(preds)", "the backend's answer: the expression abs(preds) cannot be applied to it"],
  ])("%s that find nothing are the backend's fault", async (expression, message) => {
    const { reply } = infer({ response: { outputs: { y: expression } } }, () => ({ body: answer }));
    expect((await faultOf(reply)).filter((_, i) => i !== 2)).toEqual(["bad-backend", "backend", message]);
  });

  it("that need the whole answer refuse one that is too large, plain paths do not", async () => {
    const body = `{"a": [${"1.5,".repeat(300_000)}2.5]}`;
    const tree = infer({ response: { outputs: { y: "a[*]" } } }, () => ({ body }));
    expect((await faultOf(tree.reply)).slice(0, 3)).toEqual(["bad-backend", "backend", "no"]);
    const path = infer({ response: { outputs: { y: "a" } } }, () => ({ body }));
    expect(outputsOf(await path.reply)).toMatchObject([{ datatype: "FP32", shape: [300_001] }]);
  });

  it.each(["", "{", '{"a": 1', '{"a": 1} x', "\u00ff{}", "<html>"])("of what is no JSON fail: %j", async (body) => {
    const { reply } = infer({ response: { outputs: { y: "a" } } }, () => ({ body }));
    expect((await faultOf(reply)).slice(0, 3)).toEqual(["bad-backend", "backend", "elsewhere"]);
  });
});
