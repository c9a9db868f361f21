import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpClient } from "../../../backends/connection.ts";
import { GET, POST, patient, testClient } from "../../support/upstream-client.ts";
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
