import { describe, expect, it } from "vitest";
import { openIds } from "../../../backends/oip/ids.ts";
import { seededRandom } from "../../support/fake-env.ts";

const open = (seed = 1) => openIds({ random: seededRandom(seed) });

describe("the ids of a connection", () => {
  it("are each other than all before, and other than those of another connection", () => {
    const [ids, others] = [open(1), open(2)];
    const many = Array.from({ length: 1000 }, () => [ids.next(), others.next()]).flat();
    expect(new Set(many).size).toBe(2000);
  });

  it("refuse the answer to another request of the same connection", () => {
    const ids = open();
    const [first, second] = [ids.next(), ids.next()];
    expect(() => ids.check(first, second)).toThrow("the backend's answer has the id of another request");
  });

  it("take the ids that a server makes up, and answers without any", () => {
    const ids = open();
    ids.check(ids.next(), "5f0c-made-up");
    ids.check(ids.next(), undefined);
    ids.check(ids.next(), "");
  });

  it("hold a server to the echo that it has given once", () => {
    const ids = open();
    const first = ids.next();
    ids.check(first, first);
    expect(() => ids.check(ids.next(), "5f0c-made-up")).toThrow("another request");
  });
});
