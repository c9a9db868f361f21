// ONNX Runtime called directly, in a process of its own: the truth that predictions are compared with.

import { fork } from "node:child_process";
import { elements, type Kind, type Plain, plain } from "./gateway-oip.ts";
import type { Feed } from "./gateway-reference-child.ts";

export interface Reference {
  /** The model's outputs in the order of its graph. */
  run(path: string, inputs: readonly Plain[]): Promise<readonly Plain[]>;
  close(): Promise<void>;
}

/** Datatypes by ONNX Runtime's names for them. */
const KINDS: Readonly<Record<string, Kind>> = {
  float32: "FP32",
  float64: "FP64",
  float16: "FP16",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  bool: "BOOL",
  string: "BYTES",
};

const TYPES = Object.fromEntries(Object.entries(KINDS).map(([type, kind]) => [kind, type])) as Record<Kind, string>;

type Said =
  | { readonly serial: number; readonly outputs: Readonly<Record<string, Feed>> }
  | { readonly serial: number; readonly error: string };

export function openReference(): Reference {
  const child = fork(new URL("./gateway-reference-child.ts", import.meta.url), {
    serialization: "advanced",
    execArgv: [],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const waiting = new Map<number, (said: Said) => void>();
  let serial = 0;
  child.on("message", (said: Said) => {
    waiting.get(said.serial)?.(said);
    waiting.delete(said.serial);
  });
  return {
    async run(path, inputs) {
      serial += 1;
      const mine = serial;
      const said = await new Promise<Said>((resolve) => {
        waiting.set(mine, resolve);
        child.send({
          serial: mine,
          path,
          feeds: Object.fromEntries(inputs.map((input) => [input.name, feedOf(input)])),
        });
      });
      if ("error" in said) throw new Error(said.error);
      return Object.entries(said.outputs).map(([name, feed]) => plainOf(name, feed));
    },
    close() {
      child.disconnect();
      return exited;
    },
  };
}

function feedOf(input: Plain): Feed {
  const data = input.datatype === "BYTES" ? (elements(input) as string[]) : input.data;
  return { type: TYPES[input.datatype], data, dims: input.shape };
}

function plainOf(name: string, feed: Feed): Plain {
  const datatype = KINDS[feed.type];
  if (datatype === undefined) throw new Error(`no datatype for ${feed.type}`);
  if (feed.data instanceof Uint8Array) return { name, datatype, shape: feed.dims, data: feed.data };
  return plain(name, datatype, feed.dims, feed.data);
}
