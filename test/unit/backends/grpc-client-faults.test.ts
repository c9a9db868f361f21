import { constants, type ServerHttp2Stream } from "node:http2";
import { Metadata } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { GrpcStatus } from "../../../backends/connection.ts";
import { grpcFault } from "../../../backends/grpc-errors.ts";
import { InferError } from "../../../core/error.ts";
import { faultOf, patient } from "../../support/upstream-client.ts";
import { EXCHANGE, grpcUpstream, http2Upstream, testGrpcClient, UNARY } from "../../support/upstream-grpc.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const MAX_BYTES = 1_000;
const status = (code: number, details = "", trailers: GrpcStatus["trailers"] = new Map()): GrpcStatus => ({
  code,
  details,
  trailers,
});

type Options = Parameters<typeof testGrpcClient>[1];

async function askedOf(url: URL, options: Options = {}, message = Buffer.from("hello")): Promise<InferError> {
  const client = testGrpcClient(url, options);
  closing.push(() => client.close());
  return faultOf(client.unary(UNARY, message, patient()));
}

async function overHttp2(answer: (stream: ServerHttp2Stream) => void, options: Options = {}): Promise<InferError> {
  const server = await http2Upstream(answer);
  closing.push(() => server.close());
  return askedOf(server.url, options);
}

const rowOf = ({ code, origin, retryable }: InferError) => [code, origin, retryable];
const UNAVAILABLE = ["unavailable", "backend", "elsewhere"];
const BAD = ["bad-backend", "backend", "elsewhere"];
const CLIENTS = ["invalid-argument", "client", "no"];

describe("the table of gRPC statuses", () => {
  // source: grpc/grpc doc/statuscodes.md
  it.each<[number, string, readonly string[], string]>([
    [1, "CANCELLED", UNAVAILABLE, "the backend cancelled the call"],
    [2, "UNKNOWN", BAD, "the backend failed: SAID"],
    [3, "INVALID_ARGUMENT", CLIENTS, "SAID"],
    [4, "DEADLINE_EXCEEDED", ["deadline-exceeded", "gateway", "no"], "the backend found the deadline passed"],
    [5, "NOT_FOUND", ["not-found", "client", "no"], "SAID"],
    [6, "ALREADY_EXISTS", CLIENTS, "SAID"],
    [7, "PERMISSION_DENIED", BAD, "the backend refused the gateway's credentials (PERMISSION_DENIED)"],
    [8, "RESOURCE_EXHAUSTED", ["overloaded", "backend", "later"], "the backend is overloaded"],
    [9, "FAILED_PRECONDITION", BAD, "the backend is not in the state for it: SAID"],
    [10, "ABORTED", UNAVAILABLE, "the backend aborted the call"],
    [11, "OUT_OF_RANGE", CLIENTS, "SAID"],
    [12, "UNIMPLEMENTED", ["unsupported", "backend", "no"], "the backend does not know this method: SAID"],
    [13, "INTERNAL", BAD, "the backend failed: SAID"],
    [14, "UNAVAILABLE", UNAVAILABLE, "the backend is unavailable"],
    [15, "DATA_LOSS", BAD, "the backend lost data: SAID"],
    [16, "UNAUTHENTICATED", BAD, "the backend refused the gateway's credentials (UNAUTHENTICATED)"],
    [99, "a code that is none", BAD, "the backend failed: SAID"],
  ])("reads %i (%s)", (code, _, row, message) => {
    const fault = grpcFault(status(code, "SAID"), MAX_BYTES);
    expect(rowOf(fault)).toEqual(row);
    expect(fault.message).toBe(message);
    expect(`${fault.cause}`).toContain(`gRPC status ${code}: SAID`);
    expect(grpcFault(status(code), MAX_BYTES).message).not.toBe("");
  });

  it("passes a server's words on in one line of at most 500 characters", () => {
    const { message } = grpcFault(status(3, `shape\n\tis\r\nodd ${"x".repeat(1_000)}`), MAX_BYTES);
    expect(message).toMatch(/^shape is odd x+/);
    expect(message.length).toBeLessThanOrEqual(500);
  });

  it("takes the server's word for when to come back", () => {
    const trailers = new Map([["grpc-retry-pushback-ms", "250"]]);
    expect(grpcFault(status(8, "", trailers), MAX_BYTES).retryAfterMs).toBe(250);
    expect(
      grpcFault(status(8, "", new Map([["grpc-retry-pushback-ms", "-1"]])), MAX_BYTES).retryAfterMs,
    ).toBeUndefined();
  });

  it("survives a kind that throws", async () => {
    const server = await grpcUpstream({ unary: (_, answer) => answer({ code: 3, details: "x" }) });
    closing.push(() => server.close());
    const fault = await askedOf(server.url, {
      faultOf() {
        throw new Error("a defect");
      },
    });
    expect(rowOf(fault)).toEqual(["internal", "gateway", "no"]);
  });

  it("gives way to what the kind knows better, but for faults of the transport", () => {
    const kinds = new InferError("not-found", "no such model");
    const asked: number[] = [];
    const faultOfKind = (given: GrpcStatus) => {
      asked.push(given.code);
      return given.code === 14 ? kinds : undefined;
    };
    const told = grpcFault(status(14, "unknown model"), MAX_BYTES, faultOfKind);
    expect([...rowOf(told), told.message]).toEqual([...rowOf(kinds), "no such model"]);
    expect(told.cause).toEqual(new Error("gRPC status 14: unknown model"));
    expect(grpcFault(status(13, "odd"), MAX_BYTES, faultOfKind).code).toBe("bad-backend");
    const refused = "No connection established. Last error: connect ECONNREFUSED 127.0.0.1:8001. Resolution note: ";
    expect(grpcFault(status(14, refused), MAX_BYTES, faultOfKind).message).toBe("no connection to the backend");
    expect(asked).toEqual([14, 13]);
  });

  it.each([
    // grpc-js, C core 1.60, and its later prefix
    ["Received message larger than max (2000 vs 1000)", "bad-backend"],
    ["Received message larger than max (2000 vs. 1000)", "bad-backend"],
    ["Received message that decompresses to a size larger than 1000", "bad-backend"],
    ["Received message larger than max (500 vs. 400)", "too-large"],
    ["SERVER: Received message larger than max (500 vs. 400)", "too-large"],
    ["SERVER: Received message larger than max (2000 vs. 1000)", "too-large"],
    ["queue is full", "overloaded"],
  ])("tells whose message was too large: %s", (details, code) => {
    expect(grpcFault(status(8, details), MAX_BYTES).code).toBe(code);
  });
});

describe("a gRPC call that fails on the wire", () => {
  const respond = (stream: ServerHttp2Stream, headers: Record<string, string | number>, options = {}) =>
    stream.respond({ ":status": 200, "content-type": "application/grpc", ...headers }, options);

  it.each<[string, (stream: ServerHttp2Stream) => void, readonly string[], RegExp]>([
    ["refused", (s) => s.close(constants.NGHTTP2_REFUSED_STREAM), UNAVAILABLE, /broke the connection off/],
    ["reset with CANCEL", (s) => s.close(constants.NGHTTP2_CANCEL), UNAVAILABLE, /broke the connection off/],
    ["reset with INTERNAL_ERROR", (s) => s.close(constants.NGHTTP2_INTERNAL_ERROR), BAD, /not valid gRPC/],
    ["reset with PROTOCOL_ERROR", (s) => s.close(constants.NGHTTP2_PROTOCOL_ERROR), BAD, /not valid gRPC/],
    [
      "told to calm down",
      (s) => s.close(constants.NGHTTP2_ENHANCE_YOUR_CALM),
      ["overloaded", "backend", "later"],
      /overloaded/,
    ],
    [
      "ended without a status",
      (s) => {
        respond(s, {});
        s.end();
      },
      BAD,
      /./,
    ],
    [
      "answered by a page of HTML",
      (s) => {
        s.respond({ ":status": 404, "content-type": "text/html" });
        s.end("<html>");
      },
      BAD,
      /HTTP, not gRPC/,
    ],
    [
      "answered by a proxy's 503",
      (s) => {
        s.respond({ ":status": 503 });
        s.end();
      },
      UNAVAILABLE,
      /HTTP, not gRPC/,
    ],
    [
      "answered by a proxy's 401",
      (s) => {
        s.respond({ ":status": 401 });
        s.end();
      },
      BAD,
      /refused the gateway's credentials/,
    ],
    ["OK without a message", (s) => respond(s, { "grpc-status": 0 }, { endStream: true }), BAD, /sent no answer/],
    [
      "given two messages",
      (s) => {
        respond(s, {}, { waitForTrailers: true });
        s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
        s.end(Buffer.from([0, 0, 0, 0, 1, 65, 0, 0, 0, 0, 1, 66]));
      },
      BAD,
      /more than one answer/,
    ],
    [
      "given a message that is packed as nobody said",
      (s) => {
        respond(s, {}, { waitForTrailers: true });
        s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
        s.end(Buffer.from([1, 0, 0, 0, 1, 65]));
      },
      BAD,
      /not valid gRPC/,
    ],
    [
      "a message cut off",
      (s) => {
        respond(s, {}, { waitForTrailers: true });
        s.on("wantTrailers", () => s.sendTrailers({ "grpc-status": "0" }));
        s.end(Buffer.from([0, 0, 0, 0, 9, 65]));
      },
      BAD,
      /sent no answer/,
    ],
    [
      "a status of its own",
      (s) => respond(s, { "grpc-status": 3, "grpc-message": "bad%20shape" }, { endStream: true }),
      CLIENTS,
      /^bad shape$/,
    ],
  ])("is known: %s", async (_, answer, row, message) => {
    const fault = await overHttp2(answer);
    expect(rowOf(fault)).toEqual(row);
    expect(fault.message).toMatch(message);
    expect(fault.message).not.toMatch(/127\.0\.0\.1|:\d{4}/);
  });

  it("is unavailable where nobody listens", async () => {
    const server = await grpcUpstream({});
    await server.close();
    const fault = await askedOf(server.url);
    expect([...rowOf(fault), fault.message]).toEqual([...UNAVAILABLE, "no connection to the backend"]);
  });

  it("is unavailable where the name means nothing", async () => {
    const fault = await askedOf(new URL("http://no-such-host.invalid:8001"));
    expect([...rowOf(fault), fault.message]).toEqual([...UNAVAILABLE, "no connection to the backend"]);
  });

  it("is unavailable where the server speaks HTTP/1.1", async () => {
    const { createServer } = await import("node:http");
    const server = createServer((_, response) => response.end("plain"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closing.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as { port: number };
    expect(rowOf(await askedOf(new URL(`http://127.0.0.1:${port}`)))).toEqual(UNAVAILABLE);
  });

  it("is a bad backend's when the answer is too large, and the caller's when the request is", async () => {
    const server = await grpcUpstream({}, { "grpc.max_receive_message_length": 2_000 });
    closing.push(() => server.close());
    const answer = await askedOf(server.url, { maxMessageBytes: 1_000 }, Buffer.alloc(1_500));
    expect(rowOf(answer)).toEqual(["bad-backend", "backend", "no"]);
    expect(answer.message).toContain("expected at most 1000 bytes, got 1500");
    const request = await askedOf(server.url, {}, Buffer.alloc(2_500));
    expect([...rowOf(request), request.message]).toEqual([
      "too-large",
      "client",
      "no",
      "the backend takes messages of at most 2000 bytes",
    ]);
  });

  it("shows the kind the status with its trailers", async () => {
    const trailers = new Metadata();
    trailers.set("x-why", "because");
    trailers.set("x-raw-bin", Buffer.from([1, 2, 3]));
    const server = await grpcUpstream({
      unary: (_, answer) => answer({ code: 9, details: "not loaded", metadata: trailers }),
    });
    closing.push(() => server.close());
    const seen: GrpcStatus[] = [];
    const kinds = new InferError("not-found", "x");
    const faultOfKind = (given: GrpcStatus) => {
      seen.push(given);
      return kinds;
    };
    expect(rowOf(await askedOf(server.url, { faultOf: faultOfKind }))).toEqual(rowOf(kinds));
    expect(seen.map(({ code, details }) => [code, details])).toEqual([[9, "not loaded"]]);
    expect(seen[0]?.trailers.get("x-why")).toBe("because");
    expect(seen[0]?.trailers.get("x-raw-bin")).toBe("AQID");
  });

  it("ends an exchange with the same faults", async () => {
    const server = await http2Upstream((stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM));
    const client = testGrpcClient(server.url);
    closing.push(
      () => server.close(),
      () => client.close(),
    );
    const exchange = client.exchange(EXCHANGE, patient());
    const sending = exchange.send(Buffer.from("x"));
    const fault = await faultOf(exchange.messages[Symbol.asyncIterator]().next());
    expect(rowOf(fault)).toEqual(UNAVAILABLE);
    await sending;
  });
});
