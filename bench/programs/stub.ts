// Servers that answer at once, or after a while, with bytes that they are given: one port each.

import { createServer, type Socket } from "node:net";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { takeRequests } from "../http-requests.ts";
import { answer } from "../program.ts";
import type { SeenAsk, StubPort } from "../upstream-stub.ts";

interface Open {
  readonly port: number;
  /** The last inference asked, and how many there were. */
  seen: SeenAsk | undefined;
  asked: number;
  close(): void;
}

const NOT_FOUND = Buffer.from("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}");

async function openHttp(stub: StubPort): Promise<Open> {
  const ready = new Map(stub.answers.map(({ asked, bytes }) => [asked, bytes]));
  const asks = new RegExp(stub.asks);
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    takeRequests(socket, (bytes, line) => {
      if (!asks.test(line)) return void socket.write(ready.get(line) ?? NOT_FOUND);
      open.seen = { path: line, bytes };
      open.asked += 1;
      later(stub.delayMs, () => socket.write(stub.usual));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const open: Open = {
    port: (server.address() as { readonly port: number }).port,
    seen: undefined,
    asked: 0,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return open;
}

function later(delayMs: number | undefined, act: () => void): void {
  if (delayMs === undefined) act();
  else setTimeout(act, delayMs);
}

const same = (bytes: Buffer) => bytes;

async function openGrpc(stub: StubPort): Promise<Open> {
  const server = new Server({ "grpc.max_receive_message_length": -1 });
  const asks = new RegExp(stub.asks);
  const usual = Buffer.from(stub.usual);
  for (const path of new Set(stub.answers.map(({ asked }) => asked))) {
    const all = stub.answers.filter(({ asked }) => asked === path);
    server.register(
      path,
      (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) => {
        if (asks.test(path)) {
          open.seen = { path, bytes: call.request };
          open.asked += 1;
          return later(stub.delayMs, () => reply(null, usual));
        }
        const message = call.request.toString("base64");
        const found = all.find((one) => one.message === message) ?? all[0];
        if (found === undefined) return reply({ code: status.UNIMPLEMENTED, details: "" });
        reply(null, Buffer.from(found.bytes));
      },
      same,
      same,
      "unary",
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  const open: Open = { port, seen: undefined, asked: 0, close: () => server.forceShutdown() };
  return open;
}

const held: { open: readonly Open[] } = { open: [] };

answer({
  async start(stubs: readonly StubPort[]) {
    held.open = await Promise.all(stubs.map((stub) => (stub.over === "http" ? openHttp(stub) : openGrpc(stub))));
  },
  ports: () => held.open.map(({ port }) => port),
  /** The last inference at each port. */
  seen: () => held.open.map(({ seen }) => seen),
  asked: () => held.open.map(({ asked }) => asked),
  stop() {
    for (const { close } of held.open) close();
  },
});
