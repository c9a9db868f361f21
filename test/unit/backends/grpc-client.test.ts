import { createServer } from "node:net";
import { status as codes, Metadata, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { GrpcClient } from "../../../backends/connection.ts";
import { InferError } from "../../../core/error.ts";
import { fakeEnv } from "../../support/fake-env.ts";
import { makeCerts } from "../../support/upstream-certs.ts";
import { countedSignal, faultOf, forgotten, patient, untilSo } from "../../support/upstream-client.ts";
import { EXCHANGE, type GrpcHandlers, grpcUpstream, testGrpcClient, UNARY } from "../../support/upstream-grpc.ts";
import { testProxy } from "../../support/upstream-proxy.ts";

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function opened(handlers: GrpcHandlers, options: Parameters<typeof testGrpcClient>[1] = {}): Promise<GrpcClient> {
  const server = await grpcUpstream(handlers);
  const client = testGrpcClient(server.url, options);
  closing.push(
    () => server.close(),
    () => client.close(),
  );
  return client;
}

const HELLO = Buffer.from("hello");
type Duplex = ServerDuplexStream<Buffer, Buffer>;

describe("a unary call", () => {
  it("carries its bytes and headers there and the answer back", async () => {
    let seen: Record<string, unknown> = {};
    const client = await opened({
      unary(call, answer) {
        seen = call.metadata.getMap();
        answer(null, Buffer.concat([call.request, Buffer.from("!")]));
      },
    });
    const ask = { ...UNARY, headers: { "x-a": "b", "x-c-bin": Buffer.from([1, 2]).toString("base64") } };
    expect(`${await client.unary(ask, HELLO, patient())}`).toBe("hello!");
    expect(seen["x-a"]).toBe("b");
    expect(seen["x-c-bin"]).toEqual(Buffer.from([1, 2]));
  });

  it("takes a view into a larger buffer for what it is", async () => {
    const client = await opened({});
    const view = new Uint8Array(Buffer.from("xhellox").buffer.slice(0)).subarray(1, 1);
    expect((await client.unary(UNARY, view, patient())).byteLength).toBe(0);
    const part = new Uint8Array([0, 1, 2, 3, 4]).subarray(1, 4);
    expect([...(await client.unary(UNARY, part, patient()))]).toEqual([1, 2, 3]);
  });

  it("carries ten megabytes each way unchanged", async () => {
    const client = await opened({});
    const large = Buffer.alloc(10_000_000);
    for (let i = 0; i < large.byteLength; i += 1) large[i] = (i * 31) % 251;
    expect(Buffer.compare(await client.unary(UNARY, large, patient()), large)).toBe(0);
  });

  it("tells the server the time that is left, on our own clock", async () => {
    const seen: unknown[] = [];
    const env = fakeEnv();
    const client = await opened(
      {
        unary(call, answer) {
          seen.push(call.getDeadline());
          answer(null, call.request);
        },
      },
      { env },
    );
    env.clock.advance(1_000);
    for (const deadline of [2_500.2, 1_000, Number.POSITIVE_INFINITY, 500_000_000]) {
      await client.unary(UNARY, HELLO, { ...patient(), deadline });
    }
    // the server's own deadlines, by its own clock
    const left = seen.map((value) => Number(value) - Date.now());
    expect(left[0]).toBeGreaterThan(500);
    expect(left[0]).toBeLessThanOrEqual(1_501);
    expect(left[1]).toBeLessThanOrEqual(1);
    expect(left[2]).toBe(Number.POSITIVE_INFINITY);
    expect(left[3]).toBeGreaterThan(499_000_000 - 60_000);
  });

  it("of one whose caller leaves is reset at once, and ends with the caller's own reason", async () => {
    let arrived = false;
    let cancelledAt = 0;
    const client = await opened({
      unary(call) {
        arrived = true;
        call.on("cancelled", () => {
          cancelledAt = performance.now();
        });
      },
    });
    const caller = countedSignal();
    const asked = faultOf(client.unary(UNARY, HELLO, caller));
    await untilSo("the call", () => arrived);
    const reason = new InferError("deadline-exceeded", "too late");
    const left = performance.now();
    caller.abort(reason);
    expect(await asked).toBe(reason);
    await untilSo("the server's notice", () => cancelledAt > 0);
    expect(cancelledAt - left).toBeLessThan(100);
    expect(caller.count).toBe(0);
  });

  it("is never sent for a caller who has left", async () => {
    let calls = 0;
    const client = await opened({
      unary(call, answer) {
        calls += 1;
        answer(null, call.request);
      },
    });
    const caller = countedSignal();
    caller.abort();
    expect((await faultOf(client.unary(UNARY, HELLO, caller))).code).toBe("cancelled");
    await client.unary(UNARY, HELLO, patient());
    expect([calls, caller.count]).toEqual([1, 0]);
  });

  it("leaves no listener and no timer behind", async () => {
    const env = fakeEnv();
    const client = await opened({}, { env });
    const caller = countedSignal();
    for (let i = 0; i < 50; i += 1) await client.unary(UNARY, HELLO, caller);
    expect([caller.count, env.clock.pending]).toEqual([0, 0]);
  });

  it("uses one connection for all", async () => {
    const peers = new Set<string>();
    const client = await opened({
      unary(call, answer) {
        peers.add(call.getPeer());
        answer(null, call.request);
      },
    });
    await Promise.all(Array.from({ length: 50 }, () => client.unary(UNARY, HELLO, patient())));
    expect(peers.size).toBe(1);
  });
});

describe("an exchange", () => {
  it("sends and reads in both directions, in order, until both have ended", async () => {
    const client = await opened({});
    const exchange = client.exchange(EXCHANGE, patient());
    // grpc-js forgets a message that is sent while another waits for the connection
    const sent = Promise.all(["a", "b", "c"].map((text) => exchange.send(Buffer.from(text))));
    exchange.half();
    const got: string[] = [];
    for await (const message of exchange.messages) got.push(`${message}`);
    expect(got).toEqual(["a", "b", "c"]);
    await sent;
  });

  it("answers each message before the next is sent", async () => {
    const client = await opened({});
    const exchange = client.exchange(EXCHANGE, patient());
    const reader = exchange.messages[Symbol.asyncIterator]();
    for (const text of ["one", "two", "three"]) {
      await exchange.send(Buffer.from(text));
      expect(`${(await reader.next()).value}`).toBe(text);
    }
    exchange.half();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });

  it("stops the server when the reader stops, with less than 1 MiB beyond the window", async () => {
    const message = Buffer.alloc(64 * 1024, "x");
    let written = 0;
    let stalled = false;
    const client = await opened(
      {
        exchange(call: Duplex) {
          const more = () => {
            stalled = false;
            while (written < 64 * 1024 * 1024) {
              written += message.byteLength;
              if (!call.write(message)) {
                stalled = true;
                return;
              }
            }
            call.end();
          };
          call.on("drain", more);
          more();
        },
      },
      { windowBytes: 256 * 1024 },
    );
    const exchange = client.exchange(EXCHANGE, patient());
    exchange.half();
    const reader = exchange.messages[Symbol.asyncIterator]();
    let read = (await reader.next()).value?.byteLength ?? 0;
    let before = -1;
    while (before !== written || !stalled) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    // of which a part waits in the server's own stream, 16 messages by its high-water mark
    expect(written - read).toBeLessThan(256 * 1024 + 17 * message.byteLength + 1024 * 1024);
    for (let next = await reader.next(); !next.done; next = await reader.next()) read += next.value.byteLength;
    expect(read).toBe(64 * 1024 * 1024);
  });

  it("makes the sender wait for a server that does not read", async () => {
    const held: Duplex[] = [];
    const client = await opened({
      exchange(call: Duplex) {
        call.pause();
        held.push(call);
      },
    });
    const exchange = client.exchange(EXCHANGE, patient());
    const message = Buffer.alloc(64 * 1024);
    let sent = 0;
    const sending = (async () => {
      for (let i = 0; i < 400; i += 1) {
        await exchange.send(message);
        sent += 1;
      }
    })();
    await untilSo("the call", () => held.length === 1);
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(sent).toBeLessThan(100);
    let received = 0;
    held[0]?.on("data", (bytes: Buffer) => {
      received += bytes.byteLength;
    });
    held[0]?.resume();
    await sending;
    exchange.half();
    await untilSo("all of it", () => received === 400 * message.byteLength);
    exchange.cancel();
  });

  it("that the reader leaves is reset, and the sender is let go", async () => {
    let cancelled = false;
    const client = await opened({
      exchange(call: Duplex) {
        call.write(HELLO);
        call.on("cancelled", () => {
          cancelled = true;
        });
      },
    });
    const caller = countedSignal();
    const exchange = client.exchange(EXCHANGE, caller);
    for await (const message of exchange.messages) {
      expect(`${message}`).toBe("hello");
      break;
    }
    await exchange.send(HELLO);
    await untilSo("the server's notice", () => cancelled);
    expect(caller.count).toBe(0);
  });

  it("ends with the caller's own reason when the caller leaves, for reader and sender", async () => {
    const client = await opened({ exchange() {} });
    const caller = countedSignal();
    const exchange = client.exchange(EXCHANGE, caller);
    const sending = exchange.send(Buffer.alloc(10_000_000));
    const reader = exchange.messages[Symbol.asyncIterator]();
    const waits = faultOf(reader.next());
    const reason = new InferError("deadline-exceeded", "too late");
    caller.abort(reason);
    expect(await waits).toBe(reason);
    await sending;
    exchange.half();
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    expect(caller.count).toBe(0);
  });

  it("gives every message before the fault that ends it", async () => {
    const client = await opened({
      exchange(call: Duplex) {
        call.write(Buffer.from("1"));
        call.write(Buffer.from("2"), () => call.emit("error", { code: codes.INTERNAL, details: "out of luck" }));
      },
    });
    const exchange = client.exchange(EXCHANGE, patient());
    const reader = exchange.messages[Symbol.asyncIterator]();
    expect(`${(await reader.next()).value}`).toBe("1");
    expect(`${(await reader.next()).value}`).toBe("2");
    const fault = await faultOf(reader.next());
    expect([fault.code, fault.message]).toEqual(["bad-backend", "the backend failed: out of luck"]);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });
});

describe("a gRPC connection", () => {
  it("is given up after the connect timeout, by our own clock", async () => {
    const mute = createServer(() => {});
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    closing.push(async () => void mute.close());
    const env = fakeEnv();
    const { port } = mute.address() as { port: number };
    const client = testGrpcClient(new URL(`http://127.0.0.1:${port}`), { env, connectTimeoutMs: 2_000 });
    closing.push(() => client.close());
    const asked = faultOf(client.unary(UNARY, HELLO, patient()));
    const exchange = client.exchange(EXCHANGE, patient());
    // grpc-js keeps up to 1 MiB of a call and says that it was sent
    const sending = exchange.send(Buffer.alloc(2 * 1024 * 1024));
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    env.clock.advance(1_999);
    expect(env.clock.pending).toBe(2);
    env.clock.advance(1);
    const fault = await asked;
    await sending;
    expect([fault.code, fault.message]).toEqual([
      "unavailable",
      "no connection to the backend within the connect timeout",
    ]);
    expect(env.clock.pending).toBe(0);
  });

  it("is made again within seconds when the server is back, and calls before that fail at once", async () => {
    const first = await grpcUpstream({});
    const client = testGrpcClient(first.url);
    closing.push(() => client.close());
    await client.unary(UNARY, HELLO, patient());
    await first.close();
    let fault: InferError;
    do {
      fault = await faultOf(client.unary(UNARY, HELLO, patient()));
      expect([fault.code, fault.retryable]).toEqual(["unavailable", "elsewhere"]);
      expect(fault.message).not.toMatch(/127|\d{4}/);
      // the first may have met the connection that broke; the last found none, and an attempt to make one failed
    } while (fault.message !== "no connection to the backend");
    const again = await grpcUpstream({}, { port: Number(first.url.port) });
    closing.push(() => again.close());
    const since = performance.now();
    for (;;) {
      const answer = await client.unary(UNARY, HELLO, patient()).catch(() => undefined);
      if (answer !== undefined) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(performance.now() - since).toBeLessThan(1_500);
  });

  it("breaks under calls that are unavailable then", async () => {
    const server = await grpcUpstream({ unary() {} });
    const client = testGrpcClient(server.url);
    closing.push(() => client.close());
    const asked = faultOf(client.unary(UNARY, HELLO, patient()));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.close();
    expect([(await asked).code, (await asked).origin]).toEqual(["unavailable", "backend"]);
  });

  it("goes through a proxy's tunnel", async () => {
    const server = await grpcUpstream({});
    const proxy = await testProxy("user:pass");
    const variables = { http_proxy: `http://user:pass@127.0.0.1:${proxy.port}` };
    const client = testGrpcClient(server.url, { proxy: variables });
    closing.push(
      () => server.close(),
      () => proxy.close(),
      () => client.close(),
    );
    expect(`${await client.unary(UNARY, HELLO, patient())}`).toBe("hello");
    expect(proxy.asked).toEqual([`CONNECT ${server.url.host}`]);
  });

  it("forgets its calls", async () => {
    const client = await opened({});
    const signal = await forgotten(async (caller) => void (await client.unary(UNARY, HELLO, caller)));
    expect(signal.deref()).toBeUndefined();
  });

  it("that is closed ends what is in flight and takes no more", async () => {
    const client = await opened({ unary() {}, exchange() {} });
    const asked = faultOf(client.unary(UNARY, HELLO, patient()));
    const exchange = client.exchange(EXCHANGE, patient());
    const waits = faultOf(exchange.messages[Symbol.asyncIterator]().next());
    await client.close();
    expect([(await asked).code, (await waits).code]).toEqual(["unavailable", "unavailable"]);
    expect((await faultOf(client.unary(UNARY, HELLO, patient()))).code).toBe("unavailable");
    expect(() => client.exchange(EXCHANGE, patient())).toThrow("closed");
    await client.close();
  });
});

const certs = makeCerts();

describe.skipIf(certs === undefined)("gRPC over TLS (needs openssl)", () => {
  const { ca, server: own, client: ours, stranger } = certs ?? ({} as NonNullable<typeof certs>);

  async function secure(checkClient: boolean): Promise<URL> {
    const pair = { private_key: own.key, cert_chain: own.cert };
    const server = await grpcUpstream({}, { credentials: ServerCredentials.createSsl(ca, [pair], checkClient) });
    closing.push(() => server.close());
    return server.url;
  }

  async function asked(url: URL, tls: Parameters<typeof testGrpcClient>[1]): Promise<string> {
    const client = testGrpcClient(url, tls);
    closing.push(() => client.close());
    return `${await client.unary(UNARY, HELLO, patient())}`;
  }

  it("trusts the authority and the name that it was given, or any when it was told so", async () => {
    const url = await secure(false);
    for (const tls of [{ ca }, { ca, serverName: "backend.test" }, { insecure: true }]) {
      expect(await asked(url, { tls })).toBe("hello");
    }
  });

  it("is unavailable when the certificate is not to be trusted", async () => {
    const url = await secure(false);
    for (const tls of [{ ca: stranger.ca }, { ca, serverName: "elsewhere.test" }, {}]) {
      const fault = await faultOf(asked(url, { tls }));
      expect([fault.code, fault.origin, fault.message]).toEqual([
        "unavailable",
        "backend",
        "no connection to the backend",
      ]);
    }
  });

  it("is unavailable when the certificate is another's, although its authority is trusted", async () => {
    const pair = { private_key: ours.key, cert_chain: ours.cert };
    const server = await grpcUpstream({}, { credentials: ServerCredentials.createSsl(null, [pair]) });
    closing.push(() => server.close());
    expect((await faultOf(asked(server.url, { tls: { ca } }))).code).toBe("unavailable");
    expect(await asked(server.url, { tls: { ca, serverName: "gateway.test" } })).toBe("hello");
  });

  it("shows its own certificate to a server that asks for one", async () => {
    const url = await secure(true);
    expect(await asked(url, { tls: { ca, ...ours } })).toBe("hello");
    for (const tls of [{ ca }, { ca, cert: stranger.cert, key: stranger.key }]) {
      expect((await faultOf(asked(url, { tls }))).code).toBe("unavailable");
    }
  });

  it("goes through a proxy's tunnel, checking the server's name", async () => {
    const url = await secure(true);
    const proxy = await testProxy();
    closing.push(() => proxy.close());
    const variables = { https_proxy: `http://127.0.0.1:${proxy.port}` };
    expect(await asked(url, { proxy: variables, tls: { ca, ...ours, serverName: "backend.test" } })).toBe("hello");
    expect(proxy.asked).toEqual([`CONNECT ${url.host}`]);
  });
});

describe("the metadata of grpc-js", () => {
  it("is not asked for names that it refuses", async () => {
    const client = await opened({});
    expect(() => new Metadata().set("a b", "c")).toThrow();
    const fault = await faultOf(client.unary({ ...UNARY, headers: { "a b": "c" } }, HELLO, patient()));
    expect([fault.code, fault.origin]).toEqual(["internal", "gateway"]);
  });
});
