// A closed loop of clients on raw sockets: each sends, waits for its answer and sends again, at next to no cost of its own.

import { connect, type Socket } from "node:net";
import { quantile } from "./stats.ts";

export interface Load {
  readonly port: number;
  /** Whole HTTP requests; the clients send them in turn. */
  readonly requests: readonly Uint8Array[];
  /** One request is under way in each. */
  readonly connections: number;
  readonly warmMs: number;
  readonly measureMs: number;
  /** What every answer must have; 200 where nothing is said. */
  readonly status?: number;
}

export interface LoadFacts {
  readonly completed: number;
  /** Between the first and the last answer of the measured span, so that a long run is not cut at its ends. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of this process, as a share of one core: near 1 the client itself is the limit. */
  readonly clientCpu: number;
}

/** More answers than any span here has; times beyond it are not kept. */
const MAX_TIMES = 1_000_000;

/** Sends for `warmMs`, counts for `measureMs`, then waits for what is under way. @throws Error on an answer of another status */
export async function runLoad(load: Load): Promise<LoadFacts> {
  const times = new Float64Array(MAX_TIMES);
  const began = performance.now() + load.warmMs;
  const end = began + load.measureMs;
  let sent = 0;
  let completed = 0;
  let first = 0;
  let last = 0;
  const next = () => {
    sent += 1;
    return load.requests[sent % load.requests.length] as Uint8Array;
  };
  const one = async (): Promise<void> => {
    const client = await openClient(load.port, load.status);
    let sentAt = performance.now();
    const answered = (now: number) => {
      if (now < began || now > end) return;
      if (first === 0) first = now;
      else completed += 1;
      times[completed % MAX_TIMES] = now - sentAt;
      last = now;
    };
    try {
      while (sentAt < end) {
        await client.exchange(next());
        const now = performance.now();
        answered(now);
        sentAt = now;
      }
    } finally {
      client.close();
    }
  };
  const cpu = process.cpuUsage();
  const all = performance.now();
  await Promise.all(Array.from({ length: load.connections }, one));
  const used = process.cpuUsage(cpu);
  const took = times.subarray(0, Math.min(completed + 1, MAX_TIMES));
  return {
    completed,
    perSecond: (completed / (last - first)) * 1000,
    p50Ms: quantile(took, 0.5),
    p99Ms: quantile(took, 0.99),
    clientCpu: (used.user + used.system) / 1000 / (performance.now() - all),
  };
}

/** The body of the answer to each request, one after the other, and the bytes of JSON that it says it begins with. */
export async function askOnce(port: number, requests: readonly Uint8Array[]): Promise<readonly Asked[]> {
  const client = await openClient(port);
  try {
    const answers: Asked[] = [];
    for (const request of requests) answers.push(await client.ask(request));
    return answers;
  } finally {
    client.close();
  }
}

export interface Asked {
  readonly body: Uint8Array;
  readonly jsonBytes: number;
}

interface Client {
  /** Resolves when the whole answer has come; its bytes are dropped. */
  exchange(request: Uint8Array): Promise<void>;
  ask(request: Uint8Array): Promise<Asked>;
  close(): void;
}

interface Waiting {
  readonly keep: boolean;
  resolve(asked: Asked): void;
  reject(error: Error): void;
}

const NOTHING: Asked = { body: new Uint8Array(0), jsonBytes: 0 };
const HEAD_END = Buffer.from("\r\n\r\n");

async function openClient(port: number, status = 200): Promise<Client> {
  const socket = await dial(port);
  let waiting: Waiting | undefined;
  let head: Head | undefined;
  let early: Buffer = Buffer.alloc(0);
  let left = 0;
  const kept: Buffer[] = [];
  const done = () => {
    const one = waiting;
    waiting = undefined;
    const answer = one?.keep ? { body: Buffer.concat(kept), jsonBytes: head?.jsonBytes ?? 0 } : NOTHING;
    kept.length = 0;
    head = undefined;
    one?.resolve(answer);
  };
  const take = (chunk: Buffer) => {
    let body = chunk;
    if (head === undefined) {
      const text = early.byteLength === 0 ? chunk : Buffer.concat([early, chunk]);
      const at = text.indexOf(HEAD_END);
      if (at === -1) {
        early = text;
        return;
      }
      early = Buffer.alloc(0);
      head = readHead(text.toString("latin1", 0, at));
      left = head.length;
      body = text.subarray(at + HEAD_END.byteLength);
      if (head.status !== status) throw new Error(`expected status ${status}, got ${head.status}: ${body.toString()}`);
    }
    left -= body.byteLength;
    if (left < 0) throw new Error(`expected ${head.length} bytes of body, got ${-left} more`);
    if (waiting?.keep) kept.push(body);
    if (left === 0) done();
  };
  const fail = (error: Error) => {
    waiting?.reject(error);
    socket.destroy();
  };
  socket.on("data", (chunk: Buffer) => {
    try {
      take(chunk);
    } catch (error) {
      fail(error as Error);
    }
  });
  socket.on("error", fail);
  socket.on("close", () => fail(new Error("the server closed the connection")));
  const ask = (request: Uint8Array, keep: boolean) =>
    new Promise<Asked>((resolve, reject) => {
      waiting = { keep, resolve, reject };
      socket.write(request);
    });
  return {
    exchange: async (request) => void (await ask(request, false)),
    ask: (request) => ask(request, true),
    close: () => socket.destroy(),
  };
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** What the head of an answer says. */
export interface Head {
  readonly status: number;
  readonly length: number;
  readonly jsonBytes: number;
  /** The server ends the connection after this answer. */
  readonly closes: boolean;
}

/** @param text from the status line to the last header; lengths that are not told are 0 */
export function readHead(text: string): Head {
  const lower = text.toLowerCase();
  const number = (name: string) => Number(new RegExp(`\r\n${name}: *(\\d+)`).exec(lower)?.[1] ?? 0);
  return {
    status: Number(text.slice(9, 12)),
    length: number("content-length"),
    jsonBytes: number("inference-header-content-length"),
    closes: /\r\nconnection: *close/.test(lower),
  };
}
