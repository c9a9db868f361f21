// Runs and their answers as flat rows, for threads: V8 takes half the time for a row that it takes for objects in objects.

import type { MessagePort } from "node:worker_threads";
import type { FromWorker, ToWorker, WireTensor } from "./messages.ts";

type Run = Extract<ToWorker, { type: "run" }>;
type Answered = Extract<FromWorker, { type: "answered" }>;

/** Four fields for each tensor: name, datatype, shape, data. */
type TensorFields = readonly (string | readonly number[] | Uint8Array)[];

/** Run, session, names of the outputs, and the inputs' fields. */
type RunRow = readonly [number, string, readonly string[], ...TensorFields];

/** Run, milliseconds, the buffer that goes back or undefined, and the outputs' fields. */
type AnswerRow = readonly [number, number, ArrayBuffer | undefined, ...TensorFields];

/** What goes over a thread's port: rows for what comes with each request, the messages themselves for all others. */
export type ToThread = RunRow | Exclude<ToWorker, Run>;
export type FromThread = AnswerRow | Exclude<FromWorker, Answered>;

/** What a thread is born with. */
export interface ThreadData {
  /** The memory of its ticket. */
  readonly ticket: SharedArrayBuffer;
  /** Where it is told what to do, and answers. */
  readonly port: MessagePort;
}

const HEAD = 3;
const FIELDS = 4;

export function toThread(message: ToWorker): ToThread {
  if (message.type !== "run") return message;
  return [message.run, message.session, message.outputs, ...fieldsOf(message.inputs)];
}

export function readToThread(message: ToThread): ToWorker {
  if (!isRow(message)) return message;
  const [run, session, outputs] = message;
  return { type: "run", run, session, inputs: tensorsOf(message), outputs };
}

export function fromThread(message: FromWorker): FromThread {
  if (message.type !== "answered") return message;
  return [message.run, message.ranMs, message.buffer, ...fieldsOf(message.outputs)];
}

export function readFromThread(message: FromThread): FromWorker {
  if (!isRow(message)) return message;
  const [run, ranMs, buffer] = message;
  const answered = { type: "answered", run, outputs: tensorsOf(message), ranMs } as const;
  return buffer === undefined ? answered : { ...answered, buffer };
}

function isRow<Row extends RunRow | AnswerRow>(message: Row | object): message is Row {
  return Array.isArray(message);
}

function fieldsOf(tensors: readonly WireTensor[]): TensorFields {
  const fields: (string | readonly number[] | Uint8Array)[] = [];
  for (const { name, datatype, shape, data } of tensors) fields.push(name, datatype, shape, data);
  return fields;
}

function tensorsOf(row: RunRow | AnswerRow): WireTensor[] {
  const tensors: WireTensor[] = [];
  for (let at = HEAD; at < row.length; at += FIELDS) {
    const [name, datatype, shape, data] = row.slice(at, at + FIELDS);
    tensors.push({ name, datatype, shape, data } as WireTensor);
  }
  return tensors;
}
