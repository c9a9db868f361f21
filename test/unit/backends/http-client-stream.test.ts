import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import type { HttpClient } from "../../../backends/connection.ts";
import { InferError } from "../../../core/error.ts";
import { countedSignal, faultOf, GET, patient, testClient, untilSo } from "../../support/upstream-client.ts";
import { okAnswer, rawUpstream, type Upstream, type UpstreamRequest } from "../../support/upstream-raw.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function opened(
  answer: (request: UpstreamRequest) => void,
  options?: Parameters<typeof testClient>[1],
): Promise<{ readonly server: Upstream; readonly client: HttpClient }> {
  const server = await rawUpstream(answer);
  const client = testClient(server, options);
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return { server, client };
}

const HEAD = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const END = "0\r\n\r\n";

async function textOf(parts: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const part of parts) text += Buffer.from(part).toString();
  return text;
}

describe("a streamed answer", () => {
  it("has its head before its body, and parts as they come", async () => {
    const { server, client } = await opened(({ socket }) => void socket.write(HEAD));
    const answer = await client.stream(GET, patient());
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    const socket = server.requests[0]?.socket;
    const reader = answer.parts[Symbol.asyncIterator]();
    for (const word of ["one", "two", "three"]) {
      const next = reader.next();
      socket?.write(chunk(word));
      expect(`${(await next).value}`).toBe(word);
    }
    const last = reader.next();
    socket?.write(END);
    expect(await last).toEqual({ done: true, value: undefined });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("that was read to its end leaves the connection to the next", async () => {
    const { server, client } = await opened(
      ({ socket }) => void socket.write(`${HEAD}${chunk("a")}${chunk("b")}${END}`),
      { connections: 1 },
    );
    for (let i = 0; i < 3; i += 1) {
      expect(await textOf((await client.stream(GET, patient())).parts)).toBe("ab");
    }
    expect(server.connections).toBe(1);
  });

  it("may be longer than the limit of whole answers", async () => {
    const { client } = await opened(({ socket }) => void socket.write(okAnswer("x".repeat(5_000))), {
      maxAnswerBytes: 10,
    });
    expect(await textOf((await client.stream(GET, patient())).parts)).toHaveLength(5_000);
  });

  it("stops the server when the reader stops, and goes on with it", async () => {
    const piece = Buffer.alloc(64 * 1024, "x");
    let written = 0;
    let stalled = false;
    const { server, client } = await opened(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n`);
      const more = () => {
        stalled = false;
        while (written < 64 * 1024 * 1024) {
          written += piece.byteLength;
          if (!socket.write(piece)) {
            stalled = true;
            return;
          }
        }
        socket.end();
      };
      socket.on("drain", more);
      more();
    });
    const { parts } = await client.stream(GET, patient());
    const reader = parts[Symbol.asyncIterator]();
    let read = (await reader.next()).value?.byteLength ?? 0;
    // the kernel's buffers fill up, then nothing moves any more
    let before = -1;
    while (before !== written || !stalled) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    expect(written - read).toBeLessThan(16 * 1024 * 1024);
    for (let next = await reader.next(); !next.done; next = await reader.next()) read += next.value.byteLength;
    expect(read).toBe(64 * 1024 * 1024);
    expect(server.requests).toHaveLength(1);
  });

  it("that is left in its middle closes the connection", async () => {
    const { server, client } = await opened(({ socket }) => void socket.write(`${HEAD}${chunk("first")}`));
    const caller = countedSignal();
    const { parts } = await client.stream(GET, caller);
    for await (const part of parts) {
      expect(`${part}`).toBe("first");
      break;
    }
    server.requests[0]?.socket.end();
    await untilSo("the end of the connection", () => server.open === 0);
    expect(caller.count).toBe(0);
  });

  it("ends a reader who waits when somebody else says that it is enough", async () => {
    const { client } = await opened(({ socket }) => void socket.write(HEAD));
    const reader = (await client.stream(GET, patient())).parts[Symbol.asyncIterator]();
    const waits = reader.next();
    await reader.return?.();
    expect(await waits).toEqual({ done: true, value: undefined });
  });

  it.each(["end", "reset"] as const)("that breaks off tells so after its last part (%s)", async (how) => {
    const { client } = await opened(({ socket }) => {
      socket.write(`${HEAD}${chunk("first")}`, () => (how === "end" ? socket.end() : undefined));
      if (how === "reset") setTimeout(() => socket.resetAndDestroy(), 30);
    });
    const reader = (await client.stream(GET, patient())).parts[Symbol.asyncIterator]();
    expect(`${(await reader.next()).value}`).toBe("first");
    const fault = await faultOf(reader.next());
    expect([fault.code, fault.origin, fault.retryable]).toEqual(["unavailable", "backend", "elsewhere"]);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("ends with the caller's own reason when the caller leaves, and the server sees it", async () => {
    const { server, client } = await opened(({ socket }) => void socket.write(HEAD));
    const caller = countedSignal();
    const reader = (await client.stream(GET, caller)).parts[Symbol.asyncIterator]();
    const waits = faultOf(reader.next());
    const reason = new InferError("deadline-exceeded", "too late");
    caller.abort(reason);
    expect(await waits).toBe(reason);
    server.requests[0]?.socket.end();
    await untilSo("the end of the connection", () => server.open === 0);
    expect(caller.count).toBe(0);
  });

  it("begins with the head that counts, not with an interim one", async () => {
    const early = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    const { client } = await opened(({ socket }) => void socket.write(`${early}${okAnswer("ok")}`));
    const answer = await client.stream(GET, patient());
    expect([answer.status, await textOf(answer.parts)]).toEqual([200, "ok"]);
  });

  it("fails before its head like any other", async () => {
    const { client } = await opened(({ socket }) => void socket.resetAndDestroy());
    expect((await faultOf(client.stream(GET, patient()))).code).toBe("unavailable");
  });

  it("is unpacked as it comes", async () => {
    const packed = gzipSync("event after event ".repeat(5_000));
    const { client } = await opened(
      ({ socket }) => void socket.write(okAnswer(packed, { "content-encoding": "gzip" })),
    );
    const answer = await client.stream(GET, patient());
    expect([...answer.headers.keys()]).toEqual([]);
    expect(await textOf(answer.parts)).toBe("event after event ".repeat(5_000));
  });

  it("that is badly packed is a bad backend's", async () => {
    const { client } = await opened(
      ({ socket }) => void socket.write(okAnswer("no gzip", { "content-encoding": "gzip" })),
    );
    const { parts } = await client.stream(GET, patient());
    expect((await faultOf(textOf(parts))).code).toBe("bad-backend");
  });

  it("that is packed and left in its middle closes the connection", async () => {
    const packed = gzipSync(Buffer.alloc(3_000_000, "x"));
    const head = Buffer.from("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n");
    const { server, client } = await opened(({ socket }) => void socket.write(Buffer.concat([head, packed])));
    for await (const part of (await client.stream(GET, patient())).parts) {
      expect(part.byteLength).toBeGreaterThan(0);
      break;
    }
    server.requests[0]?.socket.end();
    await untilSo("the end of the connection", () => server.open === 0);
  });
});
