import { afterEach, describe, expect, it } from "vitest";
import type { HttpClient } from "../../../backends/connection.ts";
import { faultOf, POST, patient, testClient, untilSo } from "../../support/upstream-client.ts";
import {
  okAnswer,
  rawUpstream,
  type Upstream,
  type UpstreamOptions,
  type UpstreamRequest,
} from "../../support/upstream-raw.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function upstream(answer: (request: UpstreamRequest) => void, options?: UpstreamOptions): Promise<Upstream> {
  const server = await rawUpstream(answer, options);
  closing.push(() => server.close());
  return server;
}

function client(server: Upstream, options?: Parameters<typeof testClient>[1]): HttpClient {
  const opened = testClient(server, options);
  closing.push(() => opened.close());
  return opened;
}

const send = (bytes: string | Uint8Array) => (request: UpstreamRequest) => void request.socket.write(bytes);

describe("connections", () => {
  it("are kept and used again, the last one first", async () => {
    const server = await upstream(send(okAnswer("")));
    const asking = client(server, { connections: 8 });
    for (let i = 0; i < 5; i += 1) await asking.ask(POST, patient());
    expect(server.connections).toBe(1);
    await Promise.all([1, 2, 3].map(() => asking.ask(POST, patient())));
    expect(server.connections).toBe(3);
    for (let i = 0; i < 5; i += 1) await asking.ask(POST, patient());
    expect(server.connections).toBe(3);
    expect(server.requests.slice(-5).map((request) => request.connection)).toEqual(
      Array(5).fill(server.requests.at(-1)?.connection),
    );
  });

  it("are no more than allowed; who finds none free waits for its turn", async () => {
    const held: UpstreamRequest[] = [];
    const server = await upstream((request) => void held.push(request));
    const asking = client(server, { connections: 2 });
    const answers = [1, 2, 3, 4, 5].map((n) => asking.ask({ ...POST, path: `/${n}` }, patient()));
    for (let n = 1; n <= 5; n += 1) {
      await untilSo("the next request", () => held.length >= n);
      expect(server.connections).toBeLessThanOrEqual(2);
      held[n - 1]?.socket.write(okAnswer(String(n)));
    }
    expect((await Promise.all(answers)).map(({ body }) => `${body}`).sort()).toHaveLength(5);
    expect(server.requests.slice(2).map(({ line }) => line.split(" ")[1])).toEqual(["/3", "/4", "/5"]);
    expect(server.connections).toBe(2);
  });

  it("have a line of bounded length, which the impatient leave at once", async () => {
    const server = await upstream(() => {});
    const asking = client(server, { connections: 1, maxWaiting: 1 });
    const first = new AbortController();
    const second = new AbortController();
    const sent = faultOf(asking.ask(POST, first));
    const waits = faultOf(asking.ask(POST, second));
    const refused = await faultOf(asking.ask(POST, patient()));
    expect([refused.code, refused.origin, refused.retryable]).toEqual(["overloaded", "gateway", "elsewhere"]);
    second.abort();
    expect((await waits).code).toBe("cancelled");
    const third = new AbortController();
    const next = faultOf(asking.ask(POST, third));
    third.abort();
    first.abort();
    expect([(await sent).code, (await next).code]).toEqual(["cancelled", "cancelled"]);
    expect(server.requests.length).toBeLessThanOrEqual(1);
  });

  it("carry several requests at once where pipelining is allowed, and answers go to their own", async () => {
    const held: UpstreamRequest[] = [];
    const server = await upstream((request) => {
      held.push(request);
      if (held.length === 4) for (const { socket, line } of held) socket.write(okAnswer(line.split(" ")[1] ?? ""));
    });
    const asking = client(server, { connections: 1, pipelining: 4 });
    const answers = [1, 2, 3, 4].map((n) => asking.ask({ ...POST, path: `/${n}`, idempotent: true }, patient()));
    expect((await Promise.all(answers)).map(({ body }) => `${body}`)).toEqual(["/1", "/2", "/3", "/4"]);
    expect(server.connections).toBe(1);
  });

  it("are not shared by requests that may not be sent twice", async () => {
    let inFlight = 0;
    let most = 0;
    const server = await upstream(({ socket }) => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      setImmediate(() => {
        inFlight -= 1;
        socket.write(okAnswer(""));
      });
    });
    const asking = client(server, { connections: 1, pipelining: 4 });
    await Promise.all([1, 2, 3, 4].map(() => asking.ask(POST, patient())));
    expect(most).toBe(1);
  });

  it("that break under a request leave it open whether it has run, also where a new one is refused", async () => {
    const server = await upstream((request) => {
      if (server.requests.length === 1) request.socket.write(okAnswer(""));
      // as a process does that is killed: its connections break, and nobody listens any longer
      else void server.close();
    });
    const asking = client(server, { connections: 1 });
    await asking.ask(POST, patient());
    const fault = await faultOf(asking.ask(POST, patient()));
    expect([fault.code, fault.message, fault.unsent]).toEqual([
      "unavailable",
      "the backend refused the connection",
      false,
    ]);
    const next = await faultOf(asking.ask(POST, patient()));
    expect([next.code, next.unsent]).toEqual(["unavailable", true]);
  });

  it("that close while idle cost nobody anything", async () => {
    const server = await upstream(({ socket }) => void socket.end(okAnswer("bye")));
    const asking = client(server, { connections: 1 });
    for (let i = 0; i < 10; i += 1) {
      expect(`${(await asking.ask(POST, patient())).body}`).toBe("bye");
      await untilSo("the end of the connection", () => server.open === 0);
    }
    expect(server.requests).toHaveLength(10);
  });
});

describe("a connection that was used before and breaks before any byte", () => {
  /** Answers the first request of each connection and breaks at the second. */
  const breakSecond = (how: "end" | "reset") => (request: UpstreamRequest) => {
    if (request.nth === 1) request.socket.write(okAnswer(`${request.connection}`));
    else if (how === "end") request.socket.end();
    else request.socket.resetAndDestroy();
  };

  it.each(["end", "reset"] as const)("is replaced once, free of charge, whatever the method (%s)", async (how) => {
    const server = await upstream(breakSecond(how));
    const asking = client(server, { connections: 1 });
    for (const n of [1, 2, 3]) {
      expect(
        `${(await asking.ask({ ...POST, body: [Buffer.alloc(9_000, n), Buffer.alloc(9_000)] }, patient())).body}`,
      ).toBe(`${n}`);
    }
    // the second and third were each sent twice: on the old connection, then on a new one
    expect(server.requests.map(({ connection, nth }) => `${connection}.${nth}`)).toEqual([
      "1.1",
      "1.2",
      "2.1",
      "2.2",
      "3.1",
    ]);
    expect(server.requests.map(({ body }) => body[0])).toEqual([1, 2, 2, 3, 3]);
  });

  it("is not replaced twice", async () => {
    const server = await upstream(({ connection, nth, socket }) => {
      if (connection === 1 && nth === 1) socket.write(okAnswer(""));
      else socket.resetAndDestroy();
    });
    const asking = client(server, { connections: 1 });
    await asking.ask(POST, patient());
    const fault = await faultOf(asking.ask(POST, patient()));
    expect([fault.code, fault.origin, fault.retryable]).toEqual(["unavailable", "backend", "elsewhere"]);
    expect(server.requests).toHaveLength(3);
  });

  it("is not replaced for a request that must never be sent twice", async () => {
    const server = await upstream(breakSecond("reset"));
    const asking = client(server, { connections: 1 });
    await asking.ask({ ...POST, idempotent: false }, patient());
    expect((await faultOf(asking.ask({ ...POST, idempotent: false }, patient()))).code).toBe("unavailable");
    expect(server.requests).toHaveLength(2);
  });

  it("is not replaced when a byte of the answer had come", async () => {
    const server = await upstream(({ nth, socket }) => {
      if (nth === 1) socket.write(okAnswer(""));
      else socket.write("H", () => socket.resetAndDestroy());
    });
    const asking = client(server, { connections: 1 });
    await asking.ask(POST, patient());
    expect((await faultOf(asking.ask(POST, patient()))).code).toBe("unavailable");
    expect(server.requests).toHaveLength(2);
  });

  it("is not replaced twice, even where others have used the new one meanwhile", async () => {
    const server = await upstream(({ connection, nth, line, socket }) => {
      const isOdd = line.includes("/odd");
      if (connection === 1 && nth > 1) socket.resetAndDestroy();
      else if (isOdd) socket.resetAndDestroy();
      else socket.write(okAnswer(""));
    });
    const asking = client(server, { connections: 1, pipelining: 2 });
    await asking.ask(POST, patient());
    const odd = faultOf(asking.ask({ ...POST, path: "/odd" }, patient()));
    const other = asking.ask({ ...POST, path: "/other" }, patient());
    expect([(await odd).code, (await other).status]).toEqual(["unavailable", 200]);
    expect(server.requests.filter(({ line }) => line.includes("/odd"))).toHaveLength(2);
  });

  it("is nobody's excuse when it was new, although the one before it had served", async () => {
    const server = await upstream(({ connection, socket }) => {
      if (connection === 1) socket.end(okAnswer(""));
      else socket.resetAndDestroy();
    });
    const asking = client(server, { connections: 1 });
    await asking.ask(POST, patient());
    await untilSo("the end of the first", () => server.open === 0);
    expect((await faultOf(asking.ask(POST, patient()))).code).toBe("unavailable");
    expect(server.requests).toHaveLength(2);
  });

  it("is nobody's excuse when it was new", async () => {
    const server = await upstream(({ socket }) => void socket.resetAndDestroy());
    expect((await faultOf(client(server).ask(POST, patient()))).code).toBe("unavailable");
    expect(server.requests).toHaveLength(1);
  });
});
