import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpClient } from "../../../backends/connection.ts";
import { InferError } from "../../../core/error.ts";
import {
  countedSignal,
  faultOf,
  forgotten,
  GET,
  POST,
  patient,
  testClient,
  untilSo,
} from "../../support/upstream-client.ts";
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

describe("a question over HTTP", () => {
  it("goes out with its method, path, headers and body, and comes back whole", async () => {
    const server = await upstream(send(okAnswer("yes", { "content-type": "text/plain", "X-Odd": "1" })));
    const answer = await client(server).ask({ ...POST, headers: { "x-a": "b" } }, patient());
    expect(answer.status).toBe(200);
    expect(`${answer.body}`).toBe("yes");
    expect([...answer.headers]).toEqual([
      ["content-length", "3"],
      ["content-type", "text/plain"],
      ["x-odd", "1"],
    ]);
    const [request] = server.requests;
    expect(request?.line).toBe("POST /v2/models/m/infer HTTP/1.1");
    expect(`${request?.body}`).toBe("asked");
    expect(Object.fromEntries(request?.headers ?? [])).toEqual({
      host: `127.0.0.1:${server.port}`,
      connection: "keep-alive",
      "x-a": "b",
      "content-length": "5",
    });
  });

  it("puts the path of the server's URL before its own", async () => {
    const server = await upstream(send(okAnswer("")));
    await client({ ...server, url: new URL("/base/", server.url) }).ask(
      { method: "GET", path: "/v2?x=%20" },
      patient(),
    );
    expect(server.requests[0]?.line).toBe("GET /base/v2?x=%20 HTTP/1.1");
  });

  it.each([
    ["two small pieces", [Buffer.from("ab"), Buffer.from("cde")]],
    ["pieces that are written one by one", [Buffer.alloc(20_000, "a"), Buffer.alloc(0), Buffer.alloc(300_000, "b")]],
    ["one piece", [Buffer.from("only")]],
    ["no piece", []],
  ])("sends a body of %s with its length", async (_, body) => {
    const server = await upstream(send(okAnswer("")));
    await client(server).ask({ ...POST, body }, patient());
    const whole = Buffer.concat(body);
    expect(server.requests[0]?.headers.get("content-length")).toBe(String(whole.byteLength));
    expect(server.requests[0]?.headers.has("transfer-encoding")).toBe(false);
    expect(server.requests[0]?.body.equals(whole)).toBe(true);
  });

  it("leaves the body as it was, so that it can be sent again", async () => {
    const server = await upstream(send(okAnswer("")));
    const body = [Buffer.alloc(40_000, 7), new Uint8Array(40_000).fill(8)];
    const asking = client(server);
    await asking.ask({ ...POST, body }, patient());
    await asking.ask({ ...POST, body }, patient());
    expect(server.requests.map((request) => request.body.byteLength)).toEqual([80_000, 80_000]);
    expect(server.requests[1]?.body.equals(server.requests[0]?.body ?? Buffer.alloc(0))).toBe(true);
  });

  it("gives back the very piece in which a small answer came", async () => {
    const server = await upstream(send(okAnswer("x".repeat(600))));
    const { body } = await client(server).ask(GET, patient());
    // the head and the body in one read of the socket: a copy would have a buffer of its own
    expect(body.buffer.byteLength).toBeGreaterThan(body.byteLength);
  });
});

describe("an answer of any shape", () => {
  const chunked =
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nx-trailer: 1\r\n\r\n";

  it.each([
    ["in chunks", chunked, "abcdefg"],
    ["of HTTP/1.0 without a length, ended by its close", "HTTP/1.0 200 OK\r\n\r\nto the end", "to the end"],
    ["with 204 and no body", "HTTP/1.1 204 No Content\r\n\r\n", ""],
    [
      "with 304 and the length of what it does not send",
      "HTTP/1.1 304 Not Modified\r\ncontent-length: 99999999\r\n\r\n",
      "",
    ],
    [
      "after an interim 102 and 103",
      `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${okAnswer("ok")}`,
      "ok",
    ],
    ["with an empty body", `${okAnswer("")}`, ""],
  ])("is read: %s", async (_, bytes, body) => {
    const server = await upstream(
      ({ socket }) => void (bytes.startsWith("HTTP/1.0") ? socket.end(bytes) : socket.write(bytes)),
    );
    const answer = await client(server).ask(GET, patient());
    expect(`${answer.body}`).toBe(body);
  });

  it("is read in pieces of one byte, with its length known or not", async () => {
    for (const bytes of [`${okAnswer("in small pieces")}`, chunked]) {
      const server = await upstream(({ socket }) => {
        const rest = [...Buffer.from(bytes)];
        const writeOne = () => {
          const byte = rest.shift();
          if (byte !== undefined) socket.write(Buffer.of(byte), () => setImmediate(writeOne));
        };
        writeOne();
      });
      const answer = await client(server).ask(GET, patient());
      expect(`${answer.body}`).toBe(bytes === chunked ? "abcdefg" : "in small pieces");
    }
  });

  it("is whole when it is large, with its length known or in chunks", async () => {
    const large = Buffer.alloc(9_000_000);
    for (let i = 0; i < large.byteLength; i += 1) large[i] = (i * 31) % 251;
    const inChunks = Buffer.concat([
      Buffer.from("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
      ...Array.from({ length: 90 }, (_, i) =>
        Buffer.concat([Buffer.from("186a0\r\n"), large.subarray(i * 100_000, (i + 1) * 100_000), Buffer.from("\r\n")]),
      ),
      Buffer.from("0\r\n\r\n"),
    ]);
    for (const bytes of [okAnswer(large), inChunks]) {
      const server = await upstream(send(bytes));
      const answer = await client(server, { maxAnswerBytes: 10_000_000 }).ask(GET, patient());
      expect(Buffer.compare(answer.body, large)).toBe(0);
    }
  });

  it("keeps the first of several values of a header, and no cookies", async () => {
    const server = await upstream(
      send("HTTP/1.1 200 OK\r\nx: 1\r\nX: 2\r\nset-cookie: a\r\ncontent-length: 0\r\n\r\n"),
    );
    const { headers } = await client(server).ask(GET, patient());
    expect([...headers]).toEqual([
      ["x", "1"],
      ["content-length", "0"],
    ]);
  });

  it("is whole when the server closes or resets right behind it, as TorchServe does after an error", async () => {
    const server = await upstream(({ socket }) => {
      socket.write("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 4\r\n\r\ngone", () =>
        socket.resetAndDestroy(),
      );
    });
    const asking = client(server);
    for (let i = 0; i < 3; i += 1) {
      const answer = await asking.ask(POST, patient());
      expect([answer.status, `${answer.body}`]).toEqual([404, "gone"]);
    }
    expect(server.connections).toBe(3);
  });

  it.each([
    ["one piece", [Buffer.alloc(8_000_000)]],
    ["many pieces", Array.from({ length: 80 }, () => Buffer.alloc(100_000))],
  ])("is taken when it comes before the request is whole, sent in %s", async (_, body) => {
    const refusal = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 5\r\n\r\nlarge";
    const sockets: Socket[] = [];
    const early = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      // once for each connection, in the middle of what comes
      socket.once("data", () => socket.write(refusal));
      socket.resume();
    });
    await new Promise<void>((resolve) => early.listen(0, "127.0.0.1", resolve));
    closing.push(async () => void early.close());
    const { port } = early.address() as { port: number };
    const asking = testClient({ url: new URL(`http://127.0.0.1:${port}`) }, { connections: 1 });
    closing.push(() => asking.close());
    // a connection whose request was not written to its end is not used again; one piece is all with the kernel
    for (let i = 1; i <= Math.min(2, body.length); i += 1) {
      const answer = await asking.ask({ ...POST, body }, patient());
      expect([answer.status, `${answer.body}`]).toEqual([413, "large"]);
      expect(sockets.length).toBe(i);
    }
  });

  it("is a status like any other, whatever it says", async () => {
    const server = await upstream(send("HTTP/1.1 599 Odd\r\ncontent-length: 3\r\n\r\nodd"));
    expect((await client(server).ask(GET, patient())).status).toBe(599);
  });
});

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

describe("a caller who leaves", () => {
  it.each(["before the answer", "in its middle"])(
    "closes the connection at once, %s, and hears its own reason",
    async (when) => {
      const server = await upstream(({ socket }) => {
        if (when === "in its middle") socket.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf");
      });
      const asking = client(server);
      const caller = countedSignal();
      const asked = faultOf(asking.ask(POST, caller));
      await untilSo("the request", () => server.requests.length === 1);
      const socket = server.requests[0]?.socket;
      const closed = new Promise<number>((resolve) => {
        // a reset where bytes were still on their way
        for (const event of ["end", "error"]) socket?.once(event, () => resolve(performance.now()));
      });
      for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      const reason = new InferError("deadline-exceeded", "too late");
      const left = performance.now();
      caller.abort(reason);
      expect(await asked).toBe(reason);
      expect((await closed) - left).toBeLessThan(100);
      expect(caller.count).toBe(0);
    },
  );

  it("before it asked, asks nothing", async () => {
    const server = await upstream(send(okAnswer("")));
    const caller = countedSignal();
    caller.abort();
    expect((await faultOf(client(server).ask(POST, caller))).code).toBe("cancelled");
    expect([server.connections, caller.count]).toEqual([0, 0]);
  });

  it("while the connection is made leaves it to the next", async () => {
    const server = await upstream(send(okAnswer("next")));
    const asking = client(server, { connections: 1 });
    const caller = countedSignal();
    const left = faultOf(asking.ask(POST, caller));
    const stays = asking.ask({ ...POST, path: "/next" }, patient());
    caller.abort();
    expect((await left).code).toBe("cancelled");
    expect(`${(await stays).body}`).toBe("next");
    expect([server.connections, server.requests.length]).toEqual([1, 1]);
  });

  it("does not spoil the connection for those who come after", async () => {
    const server = await upstream(({ nth, connection, socket }) => {
      if (connection > 1 || nth > 1) socket.write(okAnswer("after"));
    });
    const asking = client(server, { connections: 1 });
    const caller = countedSignal();
    const left = faultOf(asking.ask(POST, caller));
    await untilSo("the request", () => server.requests.length === 1);
    caller.abort();
    await left;
    expect(`${(await asking.ask(POST, patient())).body}`).toBe("after");
  });

  it("leaves no listener behind, nor does one who gets an answer or an error", async () => {
    const server = await upstream(({ line, socket }) => {
      if (line.includes("/broken")) socket.resetAndDestroy();
      else socket.write(okAnswer("yes"));
    });
    const asking = client(server);
    const caller = countedSignal();
    for (let i = 0; i < 50; i += 1) await asking.ask(POST, caller);
    await faultOf(asking.ask({ ...POST, path: "/broken" }, caller));
    expect(caller.count).toBe(0);
  });
});

describe("a closed client", () => {
  it("ends what is in flight, closes its connections and takes no more", async () => {
    const server = await upstream(() => {});
    const asking = client(server, { connections: 1 });
    const sent = faultOf(asking.ask(POST, patient()));
    const waits = faultOf(asking.ask(POST, patient()));
    await untilSo("the request", () => server.requests.length === 1);
    await asking.close();
    expect((await sent).code).toBe("unavailable");
    expect((await waits).code).toBe("unavailable");
    expect((await faultOf(asking.ask(POST, patient()))).code).toBe("unavailable");
    await asking.close();
    expect(server.requests).toHaveLength(1);
  });

  it("takes no request either when it never had a connection", async () => {
    const server = await upstream(send(okAnswer("")));
    const asking = client(server);
    await asking.close();
    expect((await faultOf(asking.ask(POST, patient()))).code).toBe("unavailable");
    expect(server.connections).toBe(0);
  });

  it("had forgotten its calls before that", async () => {
    const server = await upstream(send(okAnswer("")));
    const asking = client(server);
    const signal = await forgotten(async (caller) => void (await asking.ask(POST, caller)));
    expect(signal.deref()).toBeUndefined();
  });
});
