// The key of an answer: what is in it, what is not, and that no two questions have one form.

import { describe, expect, it } from "vitest";
import type { InferRequest } from "../../../../core/request.ts";
import type { Tensor } from "../../../../core/tensor.ts";
import { type Asked, type Mark, openDigests } from "../../../../policies/cache/key.ts";
import { ints, SECRET } from "../../../support/cache.ts";
import { requestFor } from "../../../support/scripted.ts";

const ASKED: Asked = { model: "m", version: "1", identity: "a", tenant: undefined, headers: [] };
const digests = openDigests({ secret: SECRET });

function markOf(request: InferRequest, asked: Asked = ASKED, by = digests): Mark {
  const work = by.content(request);
  for (;;) {
    const step = work.next();
    if (step.done) return by.mark(step.value, asked);
  }
}

const textOf = ({ key, proof, head }: Mark) => `${key} ${Buffer.from(proof).toString("hex")} ${head}`;
const bytes = (...values: readonly number[]) => Uint8Array.from(values);
const tensor = (init: Partial<Tensor> = {}): Tensor => ({
  name: "x",
  datatype: "INT32",
  shape: [2, 3],
  data: new Uint8Array(24).fill(1),
  ...init,
});
const BASE = requestFor("m", {
  inputs: [tensor(), tensor({ name: "w", data: new Uint8Array(24).fill(2) })],
  outputs: [
    { name: "y", parameters: new Map([["classification", 1n]]) },
    { name: "z", parameters: new Map() },
  ],
  parameters: new Map<string, string | bigint>([
    ["k", 1n],
    ["l", "s"],
  ]),
});
const withInput = (init: Partial<Tensor>) => ({ ...BASE, inputs: [tensor(init), ...BASE.inputs.slice(1)] });
const flipped = new Uint8Array(24).fill(1);
flipped[23] = 0;

describe("two questions", () => {
  const others: readonly (readonly [string, InferRequest, Asked])[] = [
    ["model", BASE, { ...ASKED, model: "n" }],
    ["version", BASE, { ...ASKED, version: "2" }],
    ["artifact", BASE, { ...ASKED, identity: "b" }],
    ["tenant", BASE, { ...ASKED, tenant: "acme" }],
    ["tenant that is empty", BASE, { ...ASKED, tenant: "" }],
    ["header", BASE, { ...ASKED, headers: [["x-lang", "a"]] }],
    ["name of a header with an equal value", BASE, { ...ASKED, headers: [["x-mode", "a"]] }],
    ["header that is absent", BASE, { ...ASKED, headers: [["x-lang", undefined]] }],
    ["task", { ...BASE, task: "classify" }, ASKED],
    ["signature", { ...BASE, signature: "other" }, ASKED],
    ["name of an input", withInput({ name: "v" }), ASKED],
    ["datatype with equal bytes", withInput({ datatype: "UINT32" }), ASKED],
    ["shape with equal bytes", withInput({ shape: [3, 2] }), ASKED],
    ["rank with equal bytes", withInput({ shape: [6] }), ASKED],
    ["bit of data", withInput({ data: flipped }), ASKED],
    ["parameter of an input", withInput({ parameters: new Map([["content_type", "np"]]) }), ASKED],
    ["inputs swapped under their names", { ...BASE, inputs: swapped(BASE.inputs) }, ASKED],
    ["one input less", { ...BASE, inputs: BASE.inputs.slice(1) }, ASKED],
    ["value of a parameter", { ...BASE, parameters: new Map([...BASE.parameters, ["k", 2n]]) }, ASKED],
    ["type of a parameter", { ...BASE, parameters: new Map([...BASE.parameters, ["k", 1]]) }, ASKED],
    [
      "text of a parameter that looks like its number",
      { ...BASE, parameters: new Map([...BASE.parameters, ["k", "1"]]) },
      ASKED,
    ],
    ["one parameter more", { ...BASE, parameters: new Map([...BASE.parameters, ["m", true]]) }, ASKED],
    ["outputs that are not named", without(BASE), ASKED],
    ["outputs of which none is named", { ...BASE, outputs: [] }, ASKED],
    ["name of an output", { ...BASE, outputs: [{ name: "z", parameters: new Map() }] }, ASKED],
    [
      "parameter of an output",
      { ...BASE, outputs: (BASE.outputs ?? []).map(({ name }) => ({ name, parameters: new Map() })) },
      ASKED,
    ],
  ];

  it.each(others)("that differ in one %s have nothing in common", (_what, request, asked) => {
    const [base, other] = [markOf(BASE), markOf(request, asked)];
    expect(other.key).not.toBe(base.key);
    expect(Buffer.from(other.proof).equals(base.proof)).toBe(false);
  });

  it("are told apart pairwise, so that no two of these changes cancel each other", () => {
    const marks = [markOf(BASE), ...others.map(([, request, asked]) => markOf(request, asked))];
    expect(new Set(marks.map(({ key }) => key)).size).toBe(others.length + 1);
    expect(new Set(marks.map(({ proof }) => Buffer.from(proof).toString("hex"))).size).toBe(others.length + 1);
  });

  it("that are equal save for order, id and caller are one", () => {
    const reversed: InferRequest = {
      ...BASE,
      inputs: [...BASE.inputs].reverse(),
      outputs: [...(BASE.outputs ?? [])].reverse(),
      parameters: new Map([...BASE.parameters].reverse()),
      stream: false,
    };
    expect(textOf(markOf(reversed))).toBe(textOf(markOf(BASE)));
    expect(textOf(markOf({ ...BASE, signature: "serving_default" }))).toBe(textOf(markOf(BASE)));
    expect(textOf(markOf(withInput({ parameters: new Map() })))).toBe(textOf(markOf(BASE)));
  });

  it("cannot borrow signs from each other's names", () => {
    const named = (...names: readonly string[]) =>
      markOf(requestFor("m", { inputs: names.map((name) => tensor({ name })) })).key;
    expect(named("ab", "c")).not.toBe(named("a", "bc"));
    const said = (model: string, version: string) => markOf(BASE, { ...ASKED, model, version }).key;
    expect(said("m1", "1")).not.toBe(said("m", "11"));
  });

  it("are told apart by halves of pairs, which UTF-8 writes as one sign", () => {
    const said = (text: string) => markOf({ ...BASE, parameters: new Map([["k", text]]) }).key;
    expect(said("\ud800")).not.toBe(said("\ud801"));
  });

  it("are told apart by any bit of a tensor that goes in by its tag", () => {
    const size = 602_112;
    const large = (change: (data: Uint8Array) => void) => {
      const data = new Uint8Array(size);
      change(data);
      return markOf(requestFor("m", { inputs: [tensor({ datatype: "UINT8", shape: [size], data })] }));
    };
    const marks = [0, 1, 4095, 4096, size - 1].map((at) =>
      large((data) => {
        data[at] = 1;
      }),
    );
    marks.push(large(() => {}));
    expect(new Set(marks.map(({ key }) => key)).size).toBe(marks.length);
    expect(new Set(marks.map(({ proof }) => Buffer.from(proof).toString("hex"))).size).toBe(marks.length);
  });

  it("are told apart by any bit of a form that is too long to be digested whole", () => {
    const many = (odd: number, bit: number) => {
      const inputs = Array.from({ length: 200 }, (_, i) => {
        const data = new Uint8Array(1_000);
        if (i === odd) data[999] = bit;
        return tensor({ name: `x${i}`, datatype: "UINT8", shape: [1_000], data });
      });
      return markOf(requestFor("m", { inputs }));
    };
    const marks = [many(0, 1), many(199, 1), many(199, 2), many(0, 0)];
    expect(new Set(marks.map(({ key }) => key)).size).toBe(4);
    expect(new Set(marks.map(({ proof }) => Buffer.from(proof).toString("hex"))).size).toBe(4);
    expect(textOf(many(7, 1))).toBe(textOf(many(7, 1)));
  });

  it("of more than one step are as they are of one: tags do not depend on the steps", () => {
    const data = new Uint8Array(9 * 2 ** 20).fill(3);
    const steps = [...digests.content(requestFor("m", { inputs: [tensor({ data, shape: [data.length] })] }))];
    // two stops for each digest's tag
    expect(steps.length).toBe(4);
  });
});

describe("the digests", () => {
  it("are the same for equal secrets and others for other secrets", () => {
    const again = markOf(BASE, ASKED, openDigests({ secret: SECRET }));
    const other = markOf(BASE, ASKED, openDigests({ secret: new Uint8Array(32).fill(8) }));
    expect(textOf(again)).toBe(textOf(markOf(BASE)));
    expect(other.key).not.toBe(markOf(BASE).key);
    expect(Buffer.from(other.proof).equals(markOf(BASE).proof)).toBe(false);
  });

  it("are the same for one question whatever was asked between, under the same words or others", () => {
    const own = openDigests({ secret: SECRET });
    const work = own.content(BASE).next();
    if (!work.done) throw new Error("expected a small question");
    const under = (model: string): Asked => ({ ...ASKED, model, headers: [["x-lang", model.repeat(300)]] });
    const [a, b] = [under("a"), under("b")];
    const first = [textOf(own.mark(work.value, a)), textOf(own.mark(work.value, b))];
    const other = { ...work.value, first: new Uint8Array(32).fill(9), proof: new Uint8Array(64).fill(9) };
    for (let n = 0; n < 3; n += 1) {
      for (const asked of [a, b, ASKED]) own.mark(other, asked);
      expect([textOf(own.mark(work.value, a)), textOf(own.mark(work.value, { ...b }))]).toEqual(first);
    }
  });

  it("have 256 and 512 bits, and a head that a person can read", () => {
    const mark = markOf(BASE);
    expect([mark.key.length, mark.proof.byteLength]).toEqual([32, 64]);
    expect(mark.head).toBe('"w" INT32[2,3] 24;"x" INT32[2,3] 24;');
  });

  it("do not share a key: with one first digest for all, the second still tells all apart", () => {
    const weak = openDigests({ secret: SECRET, first: () => "" });
    const proofs = Array.from({ length: 1_000 }, (_, i) =>
      Buffer.from(markOf(requestFor("m", { inputs: [ints("x", [i])] }), ASKED, weak).proof).toString("hex"),
    );
    expect(new Set(proofs).size).toBe(1_000);
  });
});

function swapped(inputs: readonly Tensor[]): readonly Tensor[] {
  const names = inputs.map(({ name }) => name).reverse();
  return inputs.map((input, i) => ({ ...input, name: names[i] ?? "" }));
}

function without({ outputs: _, ...rest }: InferRequest): InferRequest {
  return rest;
}

describe("bytes", () => {
  it("that stand in one buffer beside others count alone", () => {
    const pool = Buffer.from([9, 1, 2, 3, 4, 9]);
    const view = tensor({ datatype: "UINT8", shape: [4], data: pool.subarray(1, 5) });
    const own = tensor({ datatype: "UINT8", shape: [4], data: bytes(1, 2, 3, 4) });
    expect(textOf(markOf(requestFor("m", { inputs: [view] })))).toBe(
      textOf(markOf(requestFor("m", { inputs: [own] }))),
    );
  });
});
