// A worker whose runs the test ends by hand, behind the port that a pool sees; it keeps to the manners of the real one.

import type { FromWorker, ToWorker, WireTensor } from "../../backends/onnx/messages.ts";
import type { Ending, SpawnWorker, WorkerPort } from "../../backends/onnx/port.ts";
import { openTicket, TICKET_BYTES } from "../../backends/onnx/ticket.ts";

type RunMessage = Extract<ToWorker, { type: "run" }>;

export interface FakeWorker {
  readonly name: string;
  /** Every message that was posted, in order. */
  readonly posted: readonly ToWorker[];
  /** The run that it is inside. */
  readonly running: RunMessage | undefined;
  /** Says that it has started; done at once unless the crew was made with `slowStart`. */
  start(): void;
  /** Ends the run that it is inside. */
  finish(answer?: { readonly outputs?: readonly WireTensor[]; readonly ranMs?: number }): void;
  /** Ends the run that it is inside with an error. */
  refuse(message: string): void;
  /** It is no more. */
  end(ending: Ending): void;
  readonly ended: boolean;
  /** It was killed. */
  readonly killed: boolean;
  /** Sessions whose load fails. */
  readonly broken: Set<string>;
}

export interface FakeCrew {
  readonly spawn: SpawnWorker;
  /** Every worker that was spawned, in order. */
  readonly workers: readonly FakeWorker[];
}

export interface FakeCrewOptions {
  /** As over a child process: nothing waits in a worker, bytes are copied, it can be killed. */
  readonly process?: boolean;
  /** Workers start when the test says so. */
  readonly slowStart?: boolean;
}

export function fakeCrew(options: FakeCrewOptions = {}): FakeCrew {
  const workers: FakeWorker[] = [];
  return {
    workers,
    spawn(name) {
      const { worker, port } = openFake(name, options);
      workers.push(worker);
      if (options.slowStart !== true) queueMicrotask(() => worker.start());
      return port;
    },
  };
}

function openFake(name: string, options: FakeCrewOptions): { worker: FakeWorker; port: WorkerPort } {
  const posted: ToWorker[] = [];
  const waiting: RunMessage[] = [];
  const ticket = openTicket(new SharedArrayBuffer(TICKET_BYTES));
  const broken = new Set<string>();
  let running: RunMessage | undefined;
  let leaving = false;
  let ended = false;
  let killed = false;
  let say: (message: FromWorker) => void = () => {};
  let onEnd: (ending: Ending) => void = () => {};

  const bufferOf = (message: RunMessage) => {
    const buffer = message.inputs[0]?.data.buffer;
    return options.process === true || !(buffer instanceof ArrayBuffer) ? {} : { buffer };
  };
  const proceed = () => {
    while (running === undefined && !ended) {
      const next = waiting.shift();
      if (next === undefined) break;
      if (options.process !== true && !ticket.claim(next.run))
        say({ type: "skipped", run: next.run, ...bufferOf(next) });
      else running = next;
    }
    if (running === undefined && leaving) end({ how: "exited", reason: "exit code 0" });
  };
  const end = (ending: Ending) => {
    if (ended) return;
    ended = true;
    onEnd(ending);
  };
  const take = (): RunMessage => {
    const run = running;
    if (run === undefined) throw new Error(`${name} is inside no run`);
    running = undefined;
    return run;
  };

  const worker: FakeWorker = {
    name,
    posted,
    broken,
    get running() {
      return running;
    },
    get ended() {
      return ended;
    },
    get killed() {
      return killed;
    },
    start: () => say({ type: "started" }),
    finish({ outputs = [], ranMs = 1 } = {}) {
      const run = take();
      say({ type: "answered", run: run.run, outputs, ranMs, ...bufferOf(run) });
      proceed();
    },
    refuse(message) {
      const run = take();
      say({
        type: "refused",
        run: run.run,
        code: "bad-backend",
        origin: "backend",
        message,
        ranMs: 1,
        ...bufferOf(run),
      });
      proceed();
    },
    end,
  };
  const port: WorkerPort = {
    transfers: options.process !== true,
    post(message, transfer = []) {
      // as the real one: what is transferred is gone on this side
      const copy = transfer.length > 0 ? structuredClone(message, { transfer: [...transfer] }) : message;
      posted.push(copy);
      if (ended) return;
      if (copy.type === "run") waiting.push(copy);
      else if (copy.type === "exit") leaving = true;
      else queueMicrotask(() => say(answerOf(copy, broken)));
      proceed();
    },
    onMessage(listener) {
      say = (message) => {
        if (!ended) listener(message);
      };
    },
    onEnd(listener) {
      onEnd = listener;
    },
    ...(options.process === true
      ? {
          kill() {
            killed = true;
            end({ how: "crashed", reason: "SIGKILL" });
          },
        }
      : { ticket }),
  };
  return { worker, port };
}

function answerOf(message: Exclude<ToWorker, { type: "run" | "exit" }>, broken: ReadonlySet<string>): FromWorker {
  const { ask } = message;
  if (message.type === "hash") return { type: "done", ask, hash: `hash of ${message.paths.length}` };
  if (message.type === "unload") return { type: "done", ask };
  if (broken.has(message.session)) return { type: "failed", ask, reason: "broken", code: "unavailable" };
  const facts = {
    inputs: [{ name: "x", datatype: "FP32" as const, shape: [-1] }],
    outputs: [{ name: "y", datatype: "FP32" as const, shape: [-1] }],
  };
  return { type: "done", ask, facts };
}
