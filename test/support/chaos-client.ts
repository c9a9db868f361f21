// A client of a gateway under chaos: one request at a time on one connection, each answer held to what was asked, nothing taken for granted.

import { connect, type Socket } from "node:net";
import { line } from "./chaos-http.ts";

/** What became of all requests so far. */
export interface Tally {
  sent: number;
  /** Right answers. */
  right: number;
  /** Errors that say what went wrong and whose fault it was, by status. */
  readonly errors: Map<number, number>;
  /** Answers with values or an id of another request. */
  mixed: number;
  /** Requests whose connection ended before an answer. */
  lost: number;
  /** Bytes that nobody had asked for, or a second answer. */
  doubled: number;
  /** Requests without an answer long after their deadline. */
  hung: number;
  /** Errors without a text, an origin or an honest status. */
  dishonest: number;
}

export function openTally(): Tally {
  return { sent: 0, right: 0, errors: new Map(), mixed: 0, lost: 0, doubled: 0, hung: 0, dishonest: 0 };
}

/** The statuses of a backend that fails in all the ways there are. */
const HONEST = new Set([502, 503, 504]);

export interface ChaosClient {
  /** Asks the model with the request's own number and counts what comes. */
  ask(model: string, n: number): Promise<void>;
  close(): void;
}

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

export function openChaosClient(port: number, tally: Tally, patienceMs: number): ChaosClient {
  let socket: Socket | undefined;
  let received = Buffer.alloc(0);
  let waiting: ((answer: Answer | "lost" | "hung") => void) | undefined;
  const settle = (with_: Answer | "lost" | "hung") => {
    const waiter = waiting;
    waiting = undefined;
    waiter?.(with_);
  };
  const open = (): Socket => {
    const fresh = connect(port, "127.0.0.1");
    received = Buffer.alloc(0);
    fresh.setNoDelay(true);
    fresh.on("error", () => {});
    fresh.on("data", (bytes: Buffer) => {
      if (waiting === undefined) tally.doubled += 1;
      received = Buffer.concat([received, bytes]);
      const answer = readAnswer(received);
      if (answer === undefined) return;
      if (received.byteLength > answer.bytes) tally.doubled += 1;
      received = Buffer.alloc(0);
      settle(answer);
    });
    fresh.once("close", () => {
      if (socket === fresh) socket = undefined;
      settle("lost");
    });
    return fresh;
  };
  return {
    async ask(model, n) {
      tally.sent += 1;
      const x = [n, (n * 7919) % 1_000_003];
      socket ??= open();
      const body = JSON.stringify({ id: `${n}`, inputs: [{ name: "x", datatype: "INT32", shape: [2], data: x }] });
      const timer = setTimeout(() => settle("hung"), patienceMs);
      const answered = new Promise<Answer | "lost" | "hung">((resolve) => {
        waiting = resolve;
      });
      socket.write(
        `POST /v2/models/${model}/infer HTTP/1.1\r\nhost: g\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      const answer = await answered;
      clearTimeout(timer);
      if (answer === "hung") socket?.destroy();
      count(tally, { x, id: `${n}`, answer });
    },
    close: () => socket?.destroy(),
  };
}

interface Counted {
  readonly x: readonly number[];
  readonly id: string;
  readonly answer: Answer | "lost" | "hung";
}

function count(tally: Tally, { x, id, answer }: Counted): void {
  if (answer === "lost" || answer === "hung") {
    tally[answer] += 1;
    return;
  }
  const json = JSON.parse(answer.body) as {
    readonly id?: string;
    readonly error?: string;
    readonly outputs?: readonly { readonly data: readonly number[] }[];
  };
  if (answer.status === 200) {
    if (json.id === id && json.outputs?.[0]?.data.join() === line(x).join()) tally.right += 1;
    else tally.mixed += 1;
    return;
  }
  tally.errors.set(answer.status, (tally.errors.get(answer.status) ?? 0) + 1);
  const isHonest = HONEST.has(answer.status) && /sluice-error-origin: (backend|gateway)/.test(answer.head);
  if (!isHonest || typeof json.error !== "string" || json.error === "") tally.dishonest += 1;
}

function readAnswer(bytes: Buffer): (Answer & { readonly bytes: number }) | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const head = bytes.toString("latin1", 0, end).toLowerCase();
  const length = Number(/content-length: (\d+)/.exec(head)?.[1] ?? Number.NaN);
  const total = end + 4 + length;
  if (Number.isNaN(total)) throw new Error(`an answer without a length: ${head}`);
  if (bytes.byteLength < total) return undefined;
  return { status: Number(head.slice(9, 12)), head, body: bytes.toString("utf8", end + 4, total), bytes: total };
}
