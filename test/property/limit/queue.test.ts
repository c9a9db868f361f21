import { expect, test } from "vitest";
import { openQueue, type Queue, type Waiting } from "../../../core/limit/queue.ts";
import { seededRandom } from "../../support/fake-env.ts";

interface One extends Waiting {
  readonly id: number;
}

interface Run {
  readonly seed: number;
  readonly most: number;
  /** One step in so many takes instead of adding. */
  readonly takes: number;
}

/** Random adds, removes and takes; every one is accounted for after each step. Throws what does not hold. */
function play(queue: Queue<One>, { seed, most, takes }: Run): void {
  const random = seededRandom(seed);
  const upTo = (n: number) => Math.floor(random() * n);
  const inside = new Set<One>();
  const gone = new Map<number, string>();
  const leave = (one: One, how: string) => {
    if (!inside.delete(one)) throw new Error(`${one.id} was ${how} and had been ${gone.get(one.id) ?? "nowhere"}`);
    gone.set(one.id, how);
  };
  for (let id = 0; id < 400; id += 1) {
    const step = upTo(takes + 3);
    if (step < takes) {
      const before = [...inside];
      const one = queue.take(random() < 0.5);
      if ((one === undefined) !== (before.length === 0)) throw new Error(`took ${one?.id} of ${before.length}`);
      if (one === undefined) continue;
      leave(one, "taken");
      const highest = Math.min(...before.map(({ level }) => level));
      if (one.level !== highest) throw new Error(`took level ${one.level}, and ${highest} waits`);
    } else if (step === takes && inside.size > 0) {
      const one = [...inside][upTo(inside.size)] as One;
      if (!queue.remove(one) || queue.remove(one)) throw new Error(`${one.id} was not removed once`);
      leave(one, "removed");
    } else {
      const one: One = { id, tenant: "abc"[upTo(3)] as string, level: 1 + upTo(3), rows: 1 + upTo(8) };
      const lowest = Math.max(one.level, ...[...inside].map(({ level }) => level));
      inside.add(one);
      const loser = queue.add(one, random() < 0.5);
      if ((loser !== undefined) !== inside.size > most) throw new Error(`${inside.size} of ${most}, lost ${loser?.id}`);
      if (loser !== undefined) leave(loser, "displaced");
      if (loser !== undefined && loser.level !== lowest) throw new Error(`level ${loser.level} lost before ${lowest}`);
    }
    if (queue.size !== inside.size || queue.size > most) throw new Error(`size ${queue.size}, not ${inside.size}`);
    const [oldest] = inside;
    if (queue.oldest() !== oldest) throw new Error(`oldest ${queue.oldest()?.id}, not ${oldest?.id}`);
  }
  while (queue.size > 0) leave(queue.take(false) as One, "taken");
  if (inside.size > 0) throw new Error(`${inside.size} were lost`);
}

const RUNS: readonly Run[] = Array.from({ length: 200 }, (_, seed) => ({
  seed,
  most: 1 + (seed % 40),
  takes: 1 + (seed % 3),
}));

test("nobody is lost, nobody is served twice, and no more wait than may", () => {
  for (const run of RUNS) play(openQueue<One>(run.most), run);
});

test("the check finds a queue that forgets a member whose tenant has no other", () => {
  const forgetful = (most: number): Queue<One> => {
    const queue = openQueue<One>(most);
    const { add } = queue;
    return Object.assign(Object.create(queue) as Queue<One>, {
      add: (one: One, newest: boolean) => {
        const loser = add(one, newest);
        if (one.rows === 8 && loser === undefined) queue.remove(one);
        return loser;
      },
    });
  };
  expect(() => {
    for (const run of RUNS) play(forgetful(run.most), run);
  }).toThrow();
});

test("tenants that always have something waiting get equal rows, whatever the size of their requests", () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const random = seededRandom(seed);
    const queue = openQueue<One>(1000);
    const rowsOf = { a: () => 1, b: () => 16, c: () => 1 + Math.floor(random() * 30) };
    const served = { a: 0, b: 0, c: 0 };
    const add = (tenant: keyof typeof rowsOf) => queue.add({ id: 0, tenant, level: 1, rows: rowsOf[tenant]() }, false);
    for (const tenant of ["a", "b", "c"] as const) for (let i = 0; i < 3; i += 1) add(tenant);
    for (let i = 0; i < 2000; i += 1) {
      const one = queue.take(false) as One;
      const tenant = one.tenant as keyof typeof rowsOf;
      served[tenant] += one.rows;
      add(tenant);
      // nobody is further ahead of another than the two largest requests
      expect(Math.max(...Object.values(served)) - Math.min(...Object.values(served))).toBeLessThanOrEqual(60);
    }
  }
});

test("those ahead of a newcomer are counted as they would be served", () => {
  const queue = openQueue<One>(100);
  for (const [level, tenant, count] of [
    [1, "a", 4],
    [2, "a", 5],
    [2, "b", 1],
    [3, "a", 7],
  ] as const) {
    for (let id = 0; id < count; id += 1) queue.add({ id, tenant, level, rows: 1 }, false);
  }
  const ahead = (level: number, tenant: string) => queue.ahead({ level, tenant, rows: 1 });
  expect([ahead(1, "a"), ahead(2, "a"), ahead(2, "b"), ahead(2, "c"), ahead(4, "a")]).toEqual([4, 10, 7, 6, 17]);
});
