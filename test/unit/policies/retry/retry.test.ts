// Retries: where another try goes, where there is none, and how many there are when every endpoint fails.

import { describe, expect, it } from "vitest";
import { InferError } from "../../../../core/error.ts";
import type { InferResponse, Reply } from "../../../../core/request.ts";
import { retry } from "../../../../policies/retry.ts";
import { type AttemptsBench, type AttemptsInit, failing, openAttempts } from "../../../support/attempts.ts";
import { wholeReply } from "../../../support/scripted.ts";

function bench(words: unknown = true, init: Partial<AttemptsInit> = {}): AttemptsBench {
  return openAttempts({ layers: [{ kind: retry as never, words }], servers: 2, ...init });
}

/** What came of it: the endpoint that answered, or the code of the fault. */
async function outcome(asking: Promise<Reply>): Promise<string> {
  try {
    const reply = await asking;
    return reply.kind === "whole" ? reply.model.version : "stream";
  } catch (error) {
    return (error as InferError).code;
  }
}

const asked = ({ servers }: AttemptsBench) => servers.map(({ calls }) => calls.length);

describe("a retry", () => {
  it("goes to another endpoint, and the caller sees only the answer", async () => {
    const { ask, servers, told } = bench();
    servers[0]!.answer = failing("unavailable");
    const trace: string[] = [];
    expect(await outcome(ask({ said: (said) => void trace.push(...said) }))).toBe("e2");
    expect(trace.filter((said) => said.startsWith("retry"))).toEqual([
      "retry: e1 failed (unavailable), on to another endpoint: try 2 of 2",
    ]);
    expect(told("retry")).toEqual([{ model: "m", version: "1", code: "unavailable", result: "sent" }]);
    expect(servers[1]!.calls[0]?.attempt).toEqual({ n: 2, avoid: ["e1"] });
  });

  it.each([
    ["the client's own mistake", failing("invalid-argument", { origin: "client" })],
    ["a fault that every endpoint would have", failing("bad-backend", { retryable: "no" })],
    ["a fault that passes only with time, where no pause is allowed", failing("overloaded", { retryAfterMs: 10 })],
  ])("is none after %s", async (_, answer) => {
    const one = bench();
    one.servers[0]!.answer = answer;
    await outcome(one.ask());
    expect(asked(one)).toEqual([1, 0]);
  });

  it("is none where there is no other endpoint that may be given work", async () => {
    const one = bench();
    one.servers[0]!.answer = failing("unavailable");
    one.servers[1]!.healthy = false;
    expect(await outcome(one.ask())).toBe("unavailable");
    expect(asked(one)).toEqual([1, 0]);
  });

  it("is none where the gateway's own limits refused it and no other endpoint has room, and keeps the budget", async () => {
    const one = bench();
    one.servers[0]!.answer = failing("overloaded", { origin: "gateway", retryable: "elsewhere", unsent: true });
    one.servers[1]!.free = 0;
    expect(await outcome(one.ask())).toBe("overloaded");
    expect([asked(one), one.told("retry")]).toEqual([[1, 0], []]);
    one.servers[1]!.free = 1;
    // by turns: the second one answers this, and the first one the next
    expect([await outcome(one.ask()), await outcome(one.ask())]).toEqual(["e2", "e2"]);
  });

  it("goes to one that is healthy, also where so few are that health is not believed", async () => {
    const one = bench(true, { servers: 4 });
    for (const server of one.servers.slice(0, 3))
      Object.assign(server, { healthy: false, answer: failing("unavailable") });
    const got: string[] = [];
    for (let i = 0; i < 8; i += 1) got.push(await outcome(one.ask()));
    expect([got, asked(one)]).toEqual([Array(8).fill("e4"), [2, 2, 2, 8]]);
  });

  it("tries as many endpoints as it may, each once", async () => {
    const one = bench({ attempts: 3 }, { servers: 4 });
    for (const server of one.servers) server.answer = failing("bad-backend");
    expect(await outcome(one.ask())).toBe("bad-backend");
    expect(asked(one)).toEqual([1, 1, 1, 0]);
  });

  it.each([
    ["a shadow", { purpose: "shadow" }],
    ["a probe", { purpose: "probe" }],
    ["a sequence", { sequence: { id: 7n, start: true, end: false } }],
  ] as const)("is none for %s", async (_, call) => {
    const one = bench();
    one.servers[0]!.answer = failing("unavailable");
    expect(await outcome(one.ask({ call }))).toBe("unavailable");
    expect(asked(one)).toEqual([1, 0]);
  });

  it("is none when the caller has left", async () => {
    const one = bench();
    const left = new AbortController();
    one.servers[0]!.answer = async () => {
      left.abort(new InferError("cancelled", "left"));
      throw new InferError("unavailable", "broken off");
    };
    expect(await outcome(one.ask({ call: { signal: left.signal } }))).toBe("cancelled");
    expect(asked(one)).toEqual([1, 0]);
  });

  it("is none when the deadline has passed, whose fault is told", async () => {
    const one = bench();
    one.servers[0]!.answer = async () => {
      one.env.clock.advance(10);
      throw new InferError("unavailable", "broken off");
    };
    expect(await outcome(one.ask({ call: { timeoutMs: 10 } }))).toBe("deadline-exceeded");
    expect(asked(one)).toEqual([1, 0]);
  });

  it("can be turned off", async () => {
    const one = bench(false);
    one.servers[0]!.answer = failing("unavailable");
    expect(await outcome(one.ask())).toBe("unavailable");
    expect(asked(one)).toEqual([1, 0]);
  });
});

describe("a request that may have run", () => {
  const states = [
    ["keeps state", { stateful: true }],
    ["does not say what it is", { platform: "" }],
  ] as const;

  it.each(states)("is not sent again to a model whose server %s", async (_, metadata) => {
    const one = bench(true, { metadata });
    one.servers[0]!.answer = failing("unavailable");
    const trace: string[] = [];
    expect(await outcome(one.ask({ said: (said) => void trace.push(...said) }))).toBe("unavailable");
    expect(asked(one)).toEqual([1, 0]);
    expect(trace.at(-1)).toBe("retry: none: the request may have run, and nothing says that it may run twice");
  });

  it.each(states)("is sent again there where the config says so: %s", async (_, metadata) => {
    const one = bench({ repeatable: true }, { metadata });
    one.servers[0]!.answer = failing("unavailable");
    expect(await outcome(one.ask())).toBe("e2");
  });

  it.each(states)("is not meant by a fault that says that nothing has run: %s", async (_, metadata) => {
    for (const answer of [
      failing("unavailable", { unsent: true }),
      failing("overloaded", { retryable: "elsewhere" }),
    ]) {
      const one = bench(true, { metadata });
      one.servers[0]!.answer = answer;
      expect(await outcome(one.ask())).toBe("e2");
    }
  });

  it("is not sent again where the config says that it may not run twice", async () => {
    const one = bench({ repeatable: false });
    one.servers[0]!.answer = failing("unavailable");
    expect(await outcome(one.ask())).toBe("unavailable");
    expect(asked(one)).toEqual([1, 0]);
  });
});

describe("a server that says when to come again", () => {
  const storm = failing("overloaded", { retryable: "later", retryAfterMs: 200 });

  it("is asked again after that, where the config allows such a pause", async () => {
    const one = bench({ pause: "500ms" }, { servers: 1 });
    one.servers[0]!.answer = storm;
    const asking = outcome(one.ask({ call: { timeoutMs: 1000 } }));
    await one.settle();
    await one.pass(199);
    expect(asked(one)).toEqual([1]);
    one.servers[0]!.answer = async () => wholeReply("m", "e1");
    await one.pass(1);
    expect([await asking, asked(one), one.env.clock.pending]).toEqual(["e1", [2], 0]);
  });

  it.each([
    ["the pause is longer than the config allows", "100ms", 1000],
    ["the deadline comes before", "500ms", 150],
  ])("is not waited for where %s", async (_, pause, timeoutMs) => {
    const one = bench({ pause }, { servers: 1 });
    one.servers[0]!.answer = storm;
    expect(await outcome(one.ask({ call: { timeoutMs } }))).toBe("overloaded");
    expect([asked(one), one.env.clock.pending]).toEqual([[1], 0]);
  });

  it("is not waited for where another endpoint may answer at once", async () => {
    const one = bench({ pause: "500ms" });
    one.servers[0]!.answer = failing("unavailable", { retryAfterMs: 200 });
    expect([await outcome(one.ask()), one.env.clock.now()]).toEqual(["e2", 0]);
  });

  it("lets a caller go that leaves during the pause", async () => {
    const one = bench({ pause: "500ms" }, { servers: 1 });
    const left = new AbortController();
    one.servers[0]!.answer = storm;
    const asking = outcome(one.ask({ call: { signal: left.signal } }));
    await one.settle();
    left.abort(new InferError("cancelled", "left"));
    expect([await asking, asked(one), one.env.clock.pending]).toEqual(["cancelled", [1], 0]);
  });
});

describe("a stream", () => {
  async function* parts(whole: readonly InferResponse[], fault?: InferError): AsyncGenerator<InferResponse> {
    yield* whole;
    if (fault !== undefined) throw fault;
  }
  const fault = new InferError("unavailable", "broken off");
  const read = async (reply: Reply) => {
    const got: string[] = [];
    try {
      if (reply.kind === "stream") for await (const part of reply.parts) got.push(part.model.version);
    } catch (error) {
      got.push((error as InferError).code);
    }
    return got;
  };

  it("that breaks before its first part is asked for elsewhere", async () => {
    const one = bench();
    one.servers[0]!.answer = async () => ({ kind: "stream", parts: parts([], fault) });
    one.servers[1]!.answer = async () => ({ kind: "stream", parts: parts([wholeReply("m", "e2")]) });
    expect(await read(await one.ask({ request: { stream: true } }))).toEqual(["e2"]);
  });

  it("that breaks after its first part is never asked for again", async () => {
    const one = bench();
    one.servers[0]!.answer = async () => ({ kind: "stream", parts: parts([wholeReply("m", "e1")], fault) });
    expect(await read(await one.ask({ request: { stream: true } }))).toEqual(["e1", "unavailable"]);
    expect(asked(one)).toEqual([1, 0]);
  });
});

describe("when every endpoint fails", () => {
  /** Calls for each request over a minute, and how many the budget refused. */
  async function storm(words: unknown, gapMs: number) {
    const one = bench(words, { servers: 3 });
    for (const server of one.servers) server.answer = failing("unavailable");
    const requests = 60_000 / gapMs;
    for (let i = 0; i < requests; i += 1) {
      await one.ask().catch(() => {});
      one.env.clock.advance(gapMs);
    }
    const calls = asked(one).reduce((sum, count) => sum + count, 0);
    const refused = one.told("retry").filter(({ result }) => result === "budget").length;
    return { amplification: calls / requests, refused, requests, calls };
  }

  it.each([
    [5, 200],
    [50, 20],
    [250, 4],
  ])(
    "the calls are at most 1.2 and ten a second times the %i requests a second",
    async (rate, gapMs) => {
      const { amplification, requests, calls, refused } = await storm({ attempts: 3, budget: "20%" }, gapMs);
      expect(amplification).toBeLessThanOrEqual(1.2 + 10 / rate + 1e-9);
      // and the budget is used: a policy that never tried again would keep the bound as well
      expect(calls).toBeGreaterThanOrEqual(Math.min(3 * requests, requests + 0.19 * requests));
      if (rate > 50) expect(refused).toBeGreaterThan(0);
    },
    30_000,
  );

  it("a budget of 100 % breaks that bound, and this check sees it", async () => {
    const { amplification } = await storm({ attempts: 3, budget: "100%" }, 5);
    expect(amplification).toBeGreaterThan(1.2 + 10 / 200);
  }, 30_000);
});
