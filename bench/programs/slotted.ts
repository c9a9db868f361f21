// Servers with so many slots each, whose runs take a time that can be changed: what they can do is known exactly.

import { createServer, type Server, type Socket } from "node:net";
import { echoingIds } from "../echoed-id.ts";
import { takeRequests } from "../http-requests.ts";
import { answer } from "../program.ts";
import { COLUMN_MS, type Mood, type Script, type SlottedEndpoint, type SlottedSetup } from "../slots.ts";

interface Endpoint {
  readonly port: number;
  asked: number;
  delayMs: number;
  mood: Mood;
  /** Inferences that came in each column of time since the script began. */
  timeline: number[];
  isIdle(): boolean;
  disconnect(): void;
  close(): void;
}

const NOT_FOUND = Buffer.from("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}");
const REFUSED = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{"error":"full"}',
);

const held: { endpoints: readonly Endpoint[]; startAt: number } = { endpoints: [], startAt: 0 };

interface Waiting {
  readonly cameAt: number;
  run(startAt: number): number;
  readonly left: boolean;
}

/**
 * First come first served. A run begins when its slot became free, however late the timer that says so, so that the capacity is
 * exact. Who has left while waiting does not run; what has begun runs to its end.
 */
function openSlots(count: number) {
  const queue: Waiting[] = [];
  let free = count;
  const run = (one: Waiting, startAt: number) => {
    const endAt = one.run(startAt);
    setTimeout(() => next(endAt), Math.max(0, endAt - performance.now()));
  };
  const next = (freeAt: number) => {
    for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
      if (!one.left) return run(one, Math.max(freeAt, one.cameAt));
    }
    free += 1;
  };
  return {
    take(one: Waiting) {
      if (free === 0) return void queue.push(one);
      free -= 1;
      run(one, one.cameAt);
    },
    isIdle: () => free === count,
  };
}

async function open(setup: SlottedSetup, { slots, delayMs, port = 0 }: SlottedEndpoint): Promise<Endpoint> {
  const ready = new Map(setup.answers.map(({ asked, bytes }) => [asked, bytes]));
  const asks = new RegExp(setup.asks);
  const sockets = new Set<Socket>();
  const places = openSlots(slots);
  const answerTo = echoingIds(setup.usual);
  const infer = (socket: Socket, request: Buffer) => {
    endpoint.asked += 1;
    const column = Math.floor((Date.now() - held.startAt) / COLUMN_MS);
    if (column >= 0) endpoint.timeline[column] = (endpoint.timeline[column] ?? 0) + 1;
    if (endpoint.mood === "refuses") return void socket.write(REFUSED);
    if (endpoint.mood === "resets") return void socket.resetAndDestroy();
    places.take({
      cameAt: performance.now(),
      get left() {
        return socket.destroyed;
      },
      run(startAt) {
        const endAt = startAt + endpoint.delayMs;
        setTimeout(() => socket.write(answerTo(request)), Math.max(0, endAt - performance.now()));
        return endAt;
      },
    });
  };
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    takeRequests(socket, (request, line) => {
      if (asks.test(line)) infer(socket, request);
      else socket.write(ready.get(line) ?? NOT_FOUND);
    });
  });
  await listen(server, port);
  const endpoint: Endpoint = {
    port: (server.address() as { readonly port: number }).port,
    asked: 0,
    delayMs,
    mood: "well",
    timeline: [],
    isIdle: places.isIdle,
    disconnect() {
      for (const socket of sockets) socket.destroy();
    },
    close() {
      endpoint.disconnect();
      server.close();
    },
  };
  return endpoint;
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1", backlog: 4096 }, resolve);
  });
}

answer({
  async start(setup: SlottedSetup) {
    held.endpoints = await Promise.all(setup.endpoints.map((one) => open(setup, one)));
  },
  ports: () => held.endpoints.map(({ port }) => port),
  /** Inferences since the start. */
  asked: () => held.endpoints.map(({ asked }) => asked),
  /** Begins a timeline and lets the changes come at their times. */
  script({ startAt, changes }: Script) {
    held.startAt = startAt;
    for (const endpoint of held.endpoints) endpoint.timeline = [];
    for (const { atMs, endpoint, delayMs } of changes) {
      const one = held.endpoints[endpoint];
      if (one === undefined) throw new Error(`expected an endpoint below ${held.endpoints.length}, got ${endpoint}`);
      setTimeout(
        () => {
          one.delayMs = delayMs;
        },
        startAt + atMs - Date.now(),
      );
    }
  },
  timeline: () => held.endpoints.map(({ timeline }) => Array.from(timeline, (count) => count ?? 0)),
  /** Connections of before are ended: what is kept open of them would be another matter than the mood. */
  mood(mood: Mood) {
    for (const endpoint of held.endpoints) {
      endpoint.mood = mood;
      endpoint.disconnect();
    }
  },
  isIdle: () => held.endpoints.every(({ isIdle }) => isIdle()),
  /** As a machine dies: nobody is told. */
  die: () => process.kill(process.pid, "SIGKILL"),
  stop() {
    for (const { close } of held.endpoints) close();
  },
});
