// A closed loop of callers over gRPC: each asks, waits for its answer and asks again, on a few connections.

import { Client, credentials } from "@grpc/grpc-js";
import type { LoadFacts } from "./load.ts";
import { quantile } from "./stats.ts";

export interface GrpcLoad {
  readonly port: number;
  readonly path: string;
  readonly message: Uint8Array;
  /** One call is under way by each. */
  readonly callers: number;
  readonly warmMs: number;
  readonly measureMs: number;
}

/** Callers share so many connections at most. */
const MAX_CONNECTIONS = 4;
const UNLIMITED = { "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 };

type Ask = () => Promise<void>;

/** As `runLoad`. @throws Error on any status but OK */
export async function runGrpcLoad(load: GrpcLoad): Promise<LoadFacts> {
  const connections = Math.min(load.callers, MAX_CONNECTIONS);
  const clients = Array.from(
    { length: connections },
    (_, i) =>
      new Client(`127.0.0.1:${load.port}`, credentials.createInsecure(), { ...UNLIMITED, "sluice.connection": i }),
  );
  try {
    const asks = clients.map((client) => asker(client, load));
    // connections are made before the clock runs
    await Promise.all(asks.map((ask) => ask()));
    return await loop(load, asks);
  } finally {
    for (const client of clients) client.close();
  }
}

function asker(client: Client, { path, message }: GrpcLoad): Ask {
  const same = (bytes: Buffer) => bytes;
  const bytes = Buffer.from(message);
  return () =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, same, same, bytes, (error) => (error === null ? resolve() : reject(error)));
    });
}

async function loop(load: GrpcLoad, asks: readonly Ask[]): Promise<LoadFacts> {
  const began = performance.now() + load.warmMs;
  const end = began + load.measureMs;
  const took: number[] = [];
  let first = 0;
  let last = 0;
  const one = async (ask: Ask): Promise<void> => {
    let sentAt = performance.now();
    while (sentAt < end) {
      await ask();
      const now = performance.now();
      if (now >= began && now <= end) {
        if (first === 0) first = now;
        took.push(now - sentAt);
        last = now;
      }
      sentAt = now;
    }
  };
  const cpu = process.cpuUsage();
  const all = performance.now();
  await Promise.all(Array.from({ length: load.callers }, (_, i) => one(asks[i % asks.length] as Ask)));
  const used = process.cpuUsage(cpu);
  return {
    completed: took.length - 1,
    perSecond: ((took.length - 1) / (last - first)) * 1000,
    p50Ms: quantile(took, 0.5),
    p99Ms: quantile(took, 0.99),
    clientCpu: (used.user + used.system) / 1000 / (performance.now() - all),
  };
}
