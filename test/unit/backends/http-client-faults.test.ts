import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { credentialsRefused, httpFault, isBroken } from "../../../backends/http-errors.ts";
import { InferError } from "../../../core/error.ts";
import { faultOf, GET, POST, patient, testClient, untilSo } from "../../support/upstream-client.ts";
import { okAnswer, rawUpstream, type UpstreamRequest } from "../../support/upstream-raw.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const TIMEOUTS = { connectMs: 5_000, headersMs: 10_000, bodyMs: 10_000 };
const UNAVAILABLE = ["unavailable", "backend", "elsewhere"];
const BAD = ["bad-backend", "backend", "elsewhere"];

async function askedOf(
  answer: (request: UpstreamRequest) => void,
  options: Parameters<typeof testClient>[1] = {},
): Promise<InferError> {
  const server = await rawUpstream(answer);
  const client = testClient(server, options);
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return faultOf(client.ask(GET, patient()));
}

function expectFault(fault: InferError, row: readonly string[], message: string | RegExp): void {
  expect([fault.code, fault.origin, fault.retryable]).toEqual(row);
  expect(fault.message).toMatch(message);
  // addresses stay in the cause, for the log
  expect(fault.message).not.toMatch(/127\.0\.0\.1|localhost|:\d{4}/);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe("a connection that does not come about", () => {
  it("is unavailable where nobody listens", async () => {
    const client = testClient({ url: new URL(`http://127.0.0.1:${await freePort()}`) });
    expectFault(await faultOf(client.ask(POST, patient())), UNAVAILABLE, "the backend refused the connection");
    await client.close();
  });

  it("fails all who wait, and the next who asks tries again", async () => {
    const port = await freePort();
    const client = testClient({ url: new URL(`http://127.0.0.1:${port}`) }, { connections: 1 });
    const faults = await Promise.all([1, 2, 3].map(() => faultOf(client.ask(POST, patient()))));
    expect(faults.map(({ code }) => code)).toEqual(["unavailable", "unavailable", "unavailable"]);
    const server = createServer((socket) => socket.on("data", () => socket.end(okAnswer("up"))));
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    closing.push(async () => void server.close());
    expect(`${(await client.ask(POST, patient())).body}`).toBe("up");
    await client.close();
  });

  it("is unavailable where the name means nothing", async () => {
    const client = testClient({ url: new URL("http://no-such-host.invalid:8000") });
    const fault = await faultOf(client.ask(GET, patient()));
    expectFault(fault, UNAVAILABLE, /^the backend's name could not be resolved/);
    expect(fault.message).not.toContain("no-such-host");
    await client.close();
  });

  it("is unavailable where the server does not speak TLS", async () => {
    const server = await rawUpstream(() => {}, {
      listen: (onSocket) =>
        createServer((socket) => {
          onSocket(socket);
          socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
        }),
    });
    const client = testClient({ url: new URL(`https://127.0.0.1:${server.port}`) });
    closing.push(
      () => server.close(),
      () => client.close(),
    );
    const fault = await faultOf(client.ask(GET, patient()));
    expectFault(fault, UNAVAILABLE, /^the TLS handshake with the backend failed \(/);
  });
});

describe("an answer that breaks off", () => {
  it.each<[string, string | undefined, "end" | "reset"]>([
    ["before its first byte, ended", undefined, "end"],
    ["before its first byte, reset", undefined, "reset"],
    ["in its head, ended", "HTTP/1.1 200 OK\r\nx: ", "end"],
    ["in its head, reset", "HTTP/1.1 200 OK\r\nx: ", "reset"],
    ["in a body of known length, ended", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "end"],
    ["in a body of known length, reset", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf", "reset"],
    ["in its last body, ended", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf", "end"],
    ["in its last body, reset", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 10\r\n\r\nhalf", "reset"],
    ["in a chunk, ended", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf", "end"],
    [
      "in its last chunk, ended",
      "HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\na\r\nhalf",
      "end",
    ],
    ["between two chunks, ended", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n", "end"],
  ])("is unavailable: %s", async (_, bytes, how) => {
    const fault = await askedOf(({ socket }) => {
      const over = () => (how === "end" ? socket.end() : socket.resetAndDestroy());
      if (bytes === undefined) over();
      else socket.write(bytes, over);
    });
    expectFault(fault, UNAVAILABLE, "the backend broke the connection off");
  });
});

describe("an answer that is no HTTP", () => {
  const long = "x".repeat(5_000);
  it.each<[string, string, RegExp]>([
    ["garbage", "SSH-2.0-OpenSSH_9.6\r\n", /not valid HTTP/],
    ["two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc", /not valid HTTP/],
    [
      "a length and chunks",
      "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      /not valid HTTP/,
    ],
    ["a length that is no number", "HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n", /not valid HTTP/],
    ["a chunk without a size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", /not valid HTTP/],
    ["a header without a name", "HTTP/1.1 200 OK\r\n: x\r\ncontent-length: 0\r\n\r\n", /not valid HTTP/],
    ["HTTP/2", "\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04", /not valid HTTP/],
    [
      "100 without being asked",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
      /not valid HTTP/,
    ],
    ["101", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", /not valid HTTP/],
    ["a long header", `HTTP/1.1 200 OK\r\nx: ${long}\r\ncontent-length: 0\r\n\r\n`, /more bytes of headers/],
    [
      "many headers",
      `HTTP/1.1 200 OK\r\n${`x: ${"y".repeat(40)}\r\n`.repeat(120)}content-length: 0\r\n\r\n`,
      /more bytes of headers/,
    ],
    ["an unknown packing", "HTTP/1.1 200 OK\r\ncontent-encoding: lzma\r\ncontent-length: 1\r\n\r\nx", /got "lzma"/],
  ])("is a bad backend's: %s", async (_, bytes, message) => {
    const fault = await askedOf(({ socket }) => void socket.write(bytes), { maxHeaderBytes: 4096 });
    expectFault(fault, BAD, message);
  });
});

describe("a wait that is too long", () => {
  // undici's timers take up to a second: they run at once
  it("ends with what was waited for: the connection, TLS counted in, the headers, the rest of the body", async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    closing.push(async () => void mute.close());
    const { port } = mute.address() as { port: number };
    const half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    const tls = testClient({ url: new URL(`https://127.0.0.1:${port}`) }, { timeouts: { ...TIMEOUTS, connectMs: 40 } });
    const late = await rawUpstream(({ nth, socket }) => void (nth === 1 && socket.write(okAnswer(""))));
    const kept = testClient(late, { connections: 1, timeouts: { ...TIMEOUTS, headersMs: 40 } });
    closing.push(
      () => late.close(),
      () => kept.close(),
    );
    await kept.ask(GET, patient());
    const [connect, headers, body, second] = await Promise.all([
      faultOf(tls.ask(GET, patient())),
      askedOf(() => {}, { timeouts: { ...TIMEOUTS, headersMs: 40 } }),
      askedOf(({ socket }) => void socket.write(half), { timeouts: { ...TIMEOUTS, bodyMs: 40 } }),
      faultOf(kept.ask(GET, patient())),
    ]);
    // a late answer is no broken connection: nothing is sent twice
    expectFault(second, BAD, "the backend sent no answer within the headers timeout");
    expect(late.requests).toHaveLength(2);
    expectFault(connect, UNAVAILABLE, "no connection to the backend within the connect timeout");
    expectFault(headers, BAD, "the backend sent no answer within the headers timeout");
    expectFault(body, BAD, /stopped in the middle of its answer/);
    await tls.close();
  });
});

describe("an answer that is too large", () => {
  it("is refused by its length before it is read, and the connection is closed", async () => {
    const server = await rawUpstream(
      ({ socket }) => void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1025\r\n\r\n"),
    );
    const client = testClient(server, { maxAnswerBytes: 1024 });
    closing.push(
      () => server.close(),
      () => client.close(),
    );
    const fault = await faultOf(client.ask(GET, patient()));
    expectFault(fault, ["bad-backend", "backend", "no"], "expected at most 1024 bytes, got 1025");
    server.requests[0]?.socket.end();
    await untilSo("the end of the connection", () => server.open === 0);
  });

  it("is refused where it goes over the limit when its length is not known", async () => {
    const chunk = `400\r\n${"x".repeat(1024)}\r\n`;
    const fault = await askedOf(
      ({ socket }) => void socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunk}1\r\ny`),
      { maxAnswerBytes: 1024 },
    );
    expectFault(fault, ["bad-backend", "backend", "no"], "expected at most 1024 bytes, got more");
  });

  it("is taken at exactly the limit", async () => {
    const server = await rawUpstream(({ socket }) => void socket.write(okAnswer("x".repeat(1024))));
    const client = testClient(server, { maxAnswerBytes: 1024 });
    closing.push(
      () => server.close(),
      () => client.close(),
    );
    expect((await client.ask(GET, patient())).body.byteLength).toBe(1024);
  });
});

describe("the table of faults", () => {
  const coded = (code: string, message = "at 127.0.0.1:8000") => Object.assign(new Error(message), { code });

  it.each([
    ["EHOSTUNREACH", UNAVAILABLE],
    ["ENETUNREACH", UNAVAILABLE],
    ["EADDRNOTAVAIL", UNAVAILABLE],
    ["ETIMEDOUT", UNAVAILABLE],
    ["EPIPE", UNAVAILABLE],
    ["ECONNABORTED", UNAVAILABLE],
    ["EAI_AGAIN", UNAVAILABLE],
    ["UND_ERR_DESTROYED", UNAVAILABLE],
    ["UND_ERR_CLOSED", UNAVAILABLE],
    ["CERT_HAS_EXPIRED", UNAVAILABLE],
    ["DEPTH_ZERO_SELF_SIGNED_CERT", UNAVAILABLE],
    ["SELF_SIGNED_CERT_IN_CHAIN", UNAVAILABLE],
    ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNAVAILABLE],
    ["ERR_TLS_CERT_ALTNAME_INVALID", UNAVAILABLE],
    ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", UNAVAILABLE],
    ["EPROTO", UNAVAILABLE],
    ["HPE_INVALID_CONSTANT", BAD],
    ["EMFILE", ["overloaded", "gateway", "later"]],
    ["UND_ERR_INVALID_ARG", ["internal", "gateway", "no"]],
    ["toString", ["internal", "gateway", "no"]],
    ["SOMETHING_NEW", ["internal", "gateway", "no"]],
  ])("reads %s", (code, row) => {
    const error = coded(code);
    const fault = httpFault(error);
    expectFault(fault, row, /./);
    expect(fault.cause).toBe(error);
  });

  it("reads what has no code as our own fault, and leaves ours as they are", () => {
    expect(httpFault(new Error("odd")).code).toBe("internal");
    expect(httpFault(undefined).code).toBe("internal");
    const own = new InferError("too-large", "x");
    expect(httpFault(own)).toBe(own);
  });

  it("tells a broken connection from a wrong answer by undici's words", () => {
    expect(isBroken(coded("UND_ERR_SOCKET", "other side closed"))).toBe(true);
    expect(isBroken(coded("UND_ERR_SOCKET", "bad response"))).toBe(false);
    expect(isBroken(coded("UND_ERR_HEADERS_TIMEOUT"))).toBe(false);
  });

  it("blames the backend's configuration, not the caller, for refused credentials", () => {
    expectFault(credentialsRefused("HTTP 401"), BAD, "refused the gateway's credentials (HTTP 401)");
  });
});

describe("a request that cannot be sent", () => {
  it("is our own fault", async () => {
    const server = await rawUpstream(() => {});
    const client = testClient(server);
    closing.push(
      () => server.close(),
      () => client.close(),
    );
    const fault = await faultOf(client.ask({ ...GET, headers: { "x-a": "a\r\nb: c" } }, patient()));
    expect([fault.code, fault.origin]).toEqual(["internal", "gateway"]);
    expect(server.requests).toHaveLength(0);
  });
});
