// A TCP proxy between a gateway and a server that fails as networks do; the same for HTTP and gRPC, since it knows neither.

import { connect, createServer, type Server, type Socket } from "node:net";

/** What goes wrong on the way, for every connection that there is and that comes. */
export type Toxic =
  /** Nobody listens. */
  | { readonly kind: "refuse" }
  /** Connections are taken and read, and nothing is passed on. */
  | { readonly kind: "hang" }
  /** Each connection is reset as it comes. */
  | { readonly kind: "reset" }
  /** Each connection is reset once so many bytes of answers have gone back. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  /** Other bytes come back in place of an answer's. */
  | { readonly kind: "garble"; readonly random: () => number };

export interface ChaosProxy {
  readonly port: number;
  /** Connections taken so far. */
  readonly taken: number;
  /** Connections that are open now. */
  readonly open: number;
  /** Bytes that came from the gateway so far, passed on or not. */
  readonly asked: number;
  /** Breaks the way, or heals it; connections of before do not outlive the change. */
  set(toxic: Toxic | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Starts a proxy on a free port of the loopback in front of that port. */
export async function openProxy(to: number): Promise<ChaosProxy> {
  const pairs = new Set<Pair>();
  let toxic: Toxic | undefined;
  let taken = 0;
  let asked = 0;

  const server: Server = createServer((near) => {
    taken += 1;
    near.on("error", () => {});
    near.on("data", (bytes: Buffer) => {
      asked += bytes.byteLength;
    });
    const now = toxic;
    const drop = dropping(near);
    if (now?.kind === "reset") return drop();
    const far = now?.kind === "hang" ? undefined : connect(to, "127.0.0.1");
    const pair = { near, far, drop };
    pairs.add(pair);
    near.once("close", () => {
      far?.destroy();
      pairs.delete(pair);
    });
    if (far !== undefined) join({ near, far, drop }, now);
  });
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(port, "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    });
  const stop = () => {
    const stopped = server.listening ? new Promise<void>((resolve) => server.close(() => resolve())) : undefined;
    for (const { far, drop } of pairs) {
      drop();
      far?.destroy();
    }
    return stopped;
  };
  await listen(0);
  const { port } = server.address() as { readonly port: number };
  return {
    port,
    get taken() {
      return taken;
    },
    get open() {
      return pairs.size;
    },
    get asked() {
      return asked;
    },
    async set(next) {
      toxic = next;
      await stop();
      if (next?.kind !== "refuse") await listen(port);
    },
    async close() {
      await stop();
    },
  };
}

/** A connection of the gateway's, its other end, and the way to reset it. */
interface Pair {
  readonly near: Socket;
  readonly far: Socket | undefined;
  drop(): void;
}

function join({ near, far, drop }: Pair & { readonly far: Socket }, toxic: Toxic | undefined): void {
  let back = 0;
  far.on("error", drop);
  near.on("data", (bytes: Buffer) => far.write(bytes));
  near.once("end", () => far.end());
  far.on("data", (bytes: Buffer) => {
    if (toxic?.kind === "garble") return void near.write(bytes.map(() => Math.floor(256 * toxic.random())));
    if (toxic?.kind !== "cut") return void near.write(bytes);
    const left = Math.max(0, toxic.afterBytes - back);
    back += bytes.byteLength;
    // what has been written is out before the reset
    near.write(bytes.subarray(0, left), () => back >= toxic.afterBytes && drop());
  });
  far.once("end", () => near.end());
}

/** Resets a connection, once: Node keeps the handle of one that is reset twice. */
export function dropping(socket: Socket): () => void {
  let dropped = false;
  return () => {
    if (dropped || socket.destroyed) return;
    dropped = true;
    socket.resetAndDestroy();
  };
}
