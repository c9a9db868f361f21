import { afterEach, describe, expect, it } from "vitest";
import type { HttpClient } from "../../../backends/connection.ts";
import { InferError } from "../../../core/error.ts";
import {
  countedSignal,
  faultOf,
  forgotten,
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
