// The two ways to a worker: a thread that gets buffers handed over, and a child process that gets copies.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { FromWorker, ToWorker } from "./messages.ts";
import { type FromThread, readFromThread, type ThreadData, toThread } from "./rows.ts";
import { openTicket, TICKET_BYTES, type Ticket } from "./ticket.ts";
import { workerUrl } from "./worker-url.ts";

/** Why a worker is no more. */
export interface Ending {
  /** `exited`: of its own accord, with code 0. */
  readonly how: "exited" | "crashed";
  /** In words for the log. */
  readonly reason: string;
}

/** One worker as the pool reaches it. */
export interface WorkerPort {
  /** Whether buffers are handed over, to come back with the answer; otherwise bytes are copied on the way. */
  readonly transfers: boolean;
  post(message: ToWorker, transfer?: readonly ArrayBuffer[]): void;
  onMessage(listener: (message: FromWorker) => void): void;
  /** Called once, after the last message. */
  onEnd(listener: (ending: Ending) => void): void;
  /** Where a run may wait behind another in the worker: each is offered before it is posted, and is its own again if claimed here. */
  readonly ticket?: Ticket;
  /** Of a child process, for the log. */
  readonly pid?: number;
  /** Ends it now, even inside a run; only where that is safe. */
  kill?(): void;
}

export type SpawnWorker = (name: string) => WorkerPort;

/**
 * A worker thread. There is no `kill`: to terminate a thread inside ONNX Runtime aborts the whole process (measured with
 * onnxruntime-node 1.30: SIGABRT, 3 of 3 tries).
 */
export const spawnThread: SpawnWorker = (name) => {
  const memory = new SharedArrayBuffer(TICKET_BYTES);
  const ticket = openTicket(memory);
  // a port of our own: a Worker's looks up a variable of the environment for each message and hands it on as an event
  const { port1: port, port2: there } = new MessageChannel();
  const worker = new Worker(workerUrl(), {
    name,
    workerData: { ticket: memory, port: there } satisfies ThreadData,
    transferList: [there],
    execArgv: [],
  });
  let hear: (message: FromThread) => void = () => {};
  let error: unknown;
  worker.on("error", (thrown) => {
    error = thrown;
  });
  return {
    transfers: true,
    post: (message, transfer = []) => port.postMessage(toThread(message), [...transfer]),
    onMessage(listener) {
      hear = (message) => listener(readFromThread(message));
      port.on("message", hear);
    },
    onEnd(listener) {
      worker.once("exit", (code) => {
        // what it said before its end comes first
        for (let last = receiveMessageOnPort(port); last !== undefined; last = receiveMessageOnPort(port))
          hear(last.message);
        port.close();
        listener(endingOf(error === undefined && code === 0, threadReason(error, code)));
      });
    },
    ticket,
  };
};

/** A child process: a native crash in it costs one call, and it can be killed inside a run. */
export const spawnProcess: SpawnWorker = (name) => {
  const child = fork(fileURLToPath(workerUrl()), [name], {
    serialization: "advanced",
    execArgv: [],
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  let error: Error | undefined;
  child.on("error", (thrown) => {
    error = thrown;
  });
  return {
    ...(child.pid === undefined ? {} : { pid: child.pid }),
    transfers: false,
    post(message) {
      // the callback takes the error of a channel that has just broken; the end is reported by `exit`
      if (child.connected) child.send(message, () => {});
    },
    onMessage: (listener) => void child.on("message", listener),
    onEnd(listener) {
      let ended = false;
      const end = (ending: Ending) => {
        if (!ended) listener(ending);
        ended = true;
      };
      // `close` and not `exit`: what the child said before its end comes first
      child.once("close", (code, signal) => end(endingOf(code === 0, signal ?? `exit code ${code}`)));
      child.once("error", (thrown) => {
        if (child.pid === undefined) end({ how: "crashed", reason: (error ?? thrown).message });
      });
    },
    kill: () => void child.kill("SIGKILL"),
  };
};

function threadReason(error: unknown, code: number): string {
  if (error === undefined) return `exit code ${code}`;
  return error instanceof Error ? error.message : String(error);
}

function endingOf(orderly: boolean, reason: string): Ending {
  return { how: orderly ? "exited" : "crashed", reason };
}
