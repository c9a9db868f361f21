import { status as codes, type ServerDuplexStream } from "@grpc/grpc-js";
import { afterEach, describe, expect, it } from "vitest";
import type { GrpcClient } from "../../../backends/connection.ts";
import { InferError } from "../../../core/error.ts";
import { countedSignal, faultOf, patient, untilSo } from "../../support/upstream-client.ts";
import { EXCHANGE, type GrpcHandlers, grpcUpstream, testGrpcClient } from "../../support/upstream-grpc.ts";

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
