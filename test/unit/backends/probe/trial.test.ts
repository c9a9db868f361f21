// What is found out about a model by asking it, against models whose ways are known.

import { describe, expect, test } from "vitest";
import { madeUpRow } from "../../../../backends/probe/inputs.ts";
import { type RunOnce, type Trial, tryModel } from "../../../../backends/probe/trial.ts";
import { invalid } from "../../../../core/error.ts";
import type { Signature } from "../../../../core/model.ts";
import { checkTensor, DATATYPES, type Tensor } from "../../../../core/tensor.ts";
import { fakeEnv } from "../../../support/fake-env.ts";

const spec = (name: string, shape: readonly number[]) => ({ name, datatype: "FP32", shape }) as const;
const SIGNATURE: Signature = { inputs: [spec("x", [-1, 3])], outputs: [spec("y", [-1, 3])] };

function floats({ data }: Tensor): Float32Array {
  return new Float32Array(Uint8Array.from(data).buffer);
}

/** A model over the whole input; the number of its rows comes along. */
function model(compute: (values: Float32Array, rows: number) => Float32Array): {
  readonly run: RunOnce;
  readonly rows: number[];
} {
  const rows: number[] = [];
  return {
    rows,
    async run([x]) {
      const count = x?.shape[0] ?? 0;
      rows.push(count);
      const data = compute(floats(x as Tensor), count);
      return [{ ...spec("y", []), shape: [data.length / 3, 3], data: new Uint8Array(data.buffer) }];
    },
  };
}

const tried = (run: RunOnce, signature = SIGNATURE): Promise<Trial> => tryModel(run, signature, fakeEnv().clock);
const double = (values: Float32Array) => values.map((value) => value * 2);

describe("rows together", () => {
  test("that give what each gives alone are equal bit by bit", async () => {
    expect((await tried(model(double).run)).rows).toMatchObject({ together: "equal", most: 4096 });
  });

  test("that differ in the last bits are close", async () => {
    const run = model((values, rows) => values.map((value) => value * (rows > 1 ? 1 + 2 ** -22 : 1))).run;
    expect((await tried(run)).rows).toMatchObject({ together: "close" });
  });

  // the seeded defect: a model that looks right alone and leaks between the rows of a batch
  test("of which one sees its neighbours are different", async () => {
    const run = model((values) => values.map((value, i) => (i < 6 ? value : value - (values[0] ?? 0)))).run;
    expect((await tried(run)).rows).toMatchObject({ together: "different" });
  });

  test("that come out as one are merged", async () => {
    const run = model((values) => values.slice(0, 3)).run;
    const { rows } = await tried(run);
    expect(rows).toEqual({ together: "merged", said: '3 rows in, output "y" has shape [1,3]' });
  });

  test("that are refused are said to be, in the server's words", async () => {
    const run = model((values, rows) => {
      if (rows > 1) throw invalid("one row at a time");
      return values;
    }).run;
    expect((await tried(run)).rows).toEqual({ together: "refused", said: "one row at a time" });
  });

  test("cannot be told apart where the same input twice differs", async () => {
    let n = 0;
    const trial = await tried(model((values) => values.map((value) => value + ++n)).run);
    expect(trial).toMatchObject({ repeatable: false, rows: { together: "unknown" } });
  });
});

describe("the most rows", () => {
  test.each([3, 4, 5, 100, 256, 1000, 4095])("%i are found exactly, with few questions", async (limit) => {
    const { run, rows } = model((values, count) => {
      if (count > limit) throw invalid(`at most ${limit}`);
      return values;
    });
    const trial = await tried(run);
    expect(trial.rows).toMatchObject({ most: limit, stopped: `${limit + 1} are refused: at most ${limit}` });
    expect(rows.length).toBeLessThanOrEqual(30);
  });

  test("are not grown beyond 16 MiB", async () => {
    const wide: Signature = { inputs: [spec("x", [-1, 2 ** 20])], outputs: [spec("y", [-1, 3])] };
    const run: RunOnce = async ([x]) => {
      const rows = x?.shape[0] ?? 0;
      return [{ ...spec("y", []), shape: [rows, 3], data: new Uint8Array(rows * 12) }];
    };
    expect((await tried(run, wide)).rows).toMatchObject({ most: 4, stopped: "more than 16 MiB were not sent" });
  });

  test("are not grown where answers become slow", async () => {
    const env = fakeEnv();
    const { run } = model((values, rows) => {
      env.clock.advance(rows * 100);
      return values;
    });
    const { rows } = await tryModel(run, SIGNATURE, env.clock);
    expect(rows).toMatchObject({ most: 32, stopped: "more would have taken longer than 2 s" });
  });
});

test("a model with a fixed first dimension is asked twice and no more", async () => {
  const fixed: Signature = { inputs: [spec("x", [1, 3])], outputs: [spec("y", [1, 3])] };
  const { run, rows } = model(double);
  expect(await tried(run, fixed)).toEqual({ firstMs: 0, repeatable: true });
  expect(rows).toEqual([1, 1]);
});

test("a model that refuses what is made up is asked once", async () => {
  const { run, rows } = model(() => {
    throw invalid("not a picture");
  });
  expect(await tried(run)).toEqual({ refused: "not a picture" });
  expect(rows).toEqual([1]);
});

describe("made-up inputs", () => {
  test.each(DATATYPES)("of %s have the bytes that their shape needs, and are the same every time", (datatype) => {
    const signature: Signature = { inputs: [{ name: "x", datatype, shape: [-1, 2, -1, 5] }], outputs: [] };
    const [made] = madeUpRow(signature, 7);
    expect(made?.shape).toEqual([1, 2, 1, 5]);
    checkTensor(made as Tensor);
    expect(madeUpRow(signature, 7)).toEqual([made]);
    expect(madeUpRow(signature, 8)).not.toEqual([made]);
  });

  test("leave out what is optional, unless nothing else is left", () => {
    const needed = spec("x", [-1]);
    const extra = { ...spec("z", [-1]), optional: true };
    const names = (inputs: Signature["inputs"]) => madeUpRow({ inputs, outputs: [] }, 1).map(({ name }) => name);
    expect(names([needed, extra])).toEqual(["x"]);
    expect(names([extra, { ...extra, name: "w" }])).toEqual(["z"]);
  });
});
