import { describe, expect, test } from "vitest";
import { type Chain, type Link, openChain } from "../../../core/chain.ts";
import { seededRandom } from "../../support/fake-env.ts";

function chainOf(...values: readonly string[]) {
  const chain = openChain<string>();
  return { chain, links: values.map((value) => chain.add(value)) };
}

describe("a chain", () => {
  test("has its values in the order in which they came, and the newest first where that is asked", () => {
    const { chain } = chainOf("a", "b", "c");
    expect([...chain.values()]).toEqual(["a", "b", "c"]);
    expect([...chain.values(true)]).toEqual(["c", "b", "a"]);
    expect([chain.first(), chain.last(), chain.size()]).toEqual(["a", "c", 3]);
  });

  test("without values has no ends and gives nothing", () => {
    const { chain } = chainOf();
    expect([chain.first(), chain.last(), chain.size(), chain.shift()]).toEqual([undefined, undefined, 0, undefined]);
    expect([...chain.values(), ...chain.values(true)]).toEqual([]);
  });

  test.each([
    [0, ["b", "c"]],
    [1, ["a", "c"]],
    [2, ["a", "b"]],
  ])("gives up value %i of three alone, once", (at, left) => {
    const { chain, links } = chainOf("a", "b", "c");
    expect([chain.remove(links[at]!), chain.remove(links[at]!)]).toEqual([true, false]);
    expect([[...chain.values()], [...chain.values(true)].reverse()]).toEqual([left, left]);
    expect([chain.first(), chain.last(), chain.size()]).toEqual([left[0], left[1], 2]);
  });

  test("gives the first with each shift, which cannot be removed after that", () => {
    const { chain, links } = chainOf("a", "b");
    expect([chain.shift(), chain.remove(links[0]!), chain.shift(), chain.shift()]).toEqual([
      "a",
      false,
      "b",
      undefined,
    ]);
    expect(chain.size()).toBe(0);
  });

  test("holds a value that is added twice twice, each with a place of its own", () => {
    const { chain, links } = chainOf("a", "b", "a");
    chain.remove(links[0]!);
    expect([...chain.values()]).toEqual(["b", "a"]);
  });

  test("is no longer known to a link that was taken out", () => {
    const { chain, links } = chainOf("a", "b", "c");
    chain.remove(links[1]!);
    expect(links[1]).toEqual({ value: "b", before: undefined, after: undefined, of: undefined });
  });

  test("leaves the links of other chains where they are", () => {
    const [one, other] = [chainOf("a", "b"), chainOf("c")];
    expect(other.chain.remove(one.links[0]!)).toBe(false);
    expect([one.chain.size(), other.chain.size()]).toEqual([2, 1]);
  });
});

/** Random steps on a chain and an array of its links. Throws where they differ. */
function play(chain: Chain<number>, seed: number): void {
  const random = seededRandom(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const inside: Link<number>[] = [];
  const gone: Link<number>[] = [];
  for (let value = 0; value < 300; value += 1) {
    const step = upTo(5);
    if (step < 2 || inside.length === 0) inside.push(chain.add(value));
    else if (step === 2) {
      const link = inside.shift() as Link<number>;
      expect(chain.shift()).toBe(link.value);
      gone.push(link);
    } else if (step === 3) {
      const [link] = inside.splice(upTo(inside.length), 1) as [Link<number>];
      expect(chain.remove(link)).toBe(true);
      gone.push(link);
    } else if (gone.length > 0) expect(chain.remove(gone[upTo(gone.length)]!)).toBe(false);
    const values = inside.map((link) => link.value);
    expect([...chain.values()]).toEqual(values);
    expect([...chain.values(true)]).toEqual(values.toReversed());
    expect([chain.size(), chain.first(), chain.last()]).toEqual([values.length, values[0], values.at(-1)]);
  }
}

describe("a chain beside an array", () => {
  test("has the same values after every step", () => {
    for (let seed = 0; seed < 40; seed += 1) play(openChain(), seed);
  });

  test("is told from one that forgets who came before", () => {
    const forgetful = (): Chain<number> => {
      const chain = openChain<number>();
      const add = (value: number) => Object.assign(chain.add(value), { before: undefined });
      return { ...chain, add };
    };
    expect(() => play(forgetful(), 1)).toThrow();
  });
});
