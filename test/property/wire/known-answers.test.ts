// An answer whose head was read before, under another id, is what it would be if it were read again: the same answer or refusal.

import { describe, expect, test } from "vitest";
import { openCodecMemory } from "../../../core/codec-memory.ts";
import type { CodecMemory } from "../../../core/protocol.ts";
import { decodeResponse, type OipResponse } from "../../../wire/oip-binary.ts";
import { DEFAULT_WIRE_LIMITS as limits } from "../../../wire/oip-json.ts";
import { runNow } from "../../../wire/sliced.ts";
import { pick, seeded } from "./seeded.ts";

type Random = () => number;

const blob = (name: string, shape: readonly number[], datatype: string, size: number) =>
  `{"name":${name},"shape":[${shape}],"datatype":"${datatype}","parameters":{"binary_data_size":${size}}}`;

type Outputs = readonly [bytes: number, json: (name: string) => string];

/** How many bytes they take behind the JSON, and what they say, one of them under a name of the head's choice. */
const OUTPUTS: readonly Outputs[] = [
  [16, (name) => blob(name, [2, 2], "FP32", 16)],
  [16, (name) => blob(name, [1, 4], "FP32", 16)],
  [16, (name) => blob(name, [8], "FP16", 16)],
  [22, (name) => `${blob('"a"', [3], "INT16", 6)},${blob(name, [2], "FP64", 16)}`],
  [16, (name) => `${blob('"a"', [0], "INT16", 0)},${blob(name, [2], "FP64", 16)}`],
  [11, (name) => blob(name, [2], "BYTES", 11)],
  [16, (name) => `{"name":${name},"shape":[2],"datatype":"INT32","data":[1,2]},${blob('"b"', [4], "FP32", 16)}`],
  [0, (name) => `{"name":${name},"shape":[2],"datatype":"INT32","data":[1,2]}`],
  [15, (name) => blob(name, [2, 2], "FP32", 15)],
  [16, (name) => `${blob(name, [1], "FP64", 8)},${blob(name, [1], "FP64", 8)}`],
];

/** Where an id may stand, and what else may hold a string. */
const HEADS: readonly ((id: string, other: string, outputs: string) => string)[] = [
  (id, _, outputs) => `{"id":${id},"model_name":"m","outputs":[${outputs}]}`,
  (id, _, outputs) => `{ "id" : ${id} , "model_name" : "m", "outputs" : [ ${outputs} ] }`,
  (id, other, outputs) => `{"model_name":${other},"model_version":"1","outputs":[${outputs}],"id":${id}}`,
  (id, other, outputs) => `{"id":${id},"model_name":${other},"model_version":"1","outputs":[${outputs}]}`,
  (id, other, outputs) => `{"parameters":{"id":${other},"n":1.5},"id":${id},"outputs":[${outputs}]}`,
  (id, other, outputs) => `{"id":${id},"outputs":[${outputs}],"trace":[${other}]}`,
  (id, other, outputs) => `{${other}:1,"id":${id},"outputs":[${outputs}]}`,
  (id, _, outputs) => `{"id":${id},"id":${id},"outputs":[${outputs}]}`,
  (_, other, outputs) => `{"model_name":${other},"outputs":[${outputs}]}`,
];

/** What requests are sent under. */
const IDS = ["k3x-1", "k3x-2", "k3x-z", "k3x-10"];

const escaped = (id: string) => `"\\u00${id.charCodeAt(0).toString(16)}${id.slice(1)}"`;

/** What stands in the place of an id, mostly the request's own. */
const idFor = (random: Random, own: string) =>
  pick(random, [
    `"${own}"`,
    `"${own}"`,
    `"${own}"`,
    `"${own}"`,
    `"${pick(random, IDS)}"`,
    '""',
    escaped(own),
    "7",
    "null",
  ]);

const otherFor = (random: Random, own: string) =>
  pick(random, ['"m"', '"m"', '"m"', `"${own}"`, `"${pick(random, IDS)}"`, '""', escaped(own), `"x${own}"`]);

const BYTES = Buffer.from("\u0001\0\0\0a\u0002\0\0\0zz\u0001\0\u0002\0\u0003\0\u0004\0\u0005\0", "latin1");

interface Ask {
  readonly own: string;
  readonly head: string;
  readonly body: Buffer;
  /** Of the head, as the answer tells it: now and then one more or less. */
  readonly length: number;
}

function askFrom(random: Random): Ask {
  const own = pick(random, IDS);
  const other = otherFor(random, own);
  const [bytes, json] = pick(random, OUTPUTS);
  const outputs = json(random() % 4 === 0 ? other : '"y"');
  let head = pick(random, HEADS)(idFor(random, own), other, outputs);
  if (random() % 8 === 0) {
    const at = random() % head.length;
    head = head.slice(0, at) + pick(random, ["", "0", '"', " ", "\\", "\0", own]) + head.slice(at + (random() % 2));
  }
  const blobs = Buffer.from(BYTES.subarray(0, random() % 3 === 0 ? pick(random, [16, 22, 11, 15, 17, 0]) : bytes));
  for (let at = 0; at < blobs.length; at += 1) if (random() % 9 === 0) blobs[at] = random() & 0xff;
  const length = head.length + pick(random, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 1]);
  const body = Buffer.concat([Buffer.from(head), blobs]);
  return { own, head, body, length: Math.min(length, body.length) };
}

function outcome({ own, body, length }: Omit<Ask, "head">, memory?: CodecMemory): unknown {
  const answers = memory === undefined ? {} : { answers: { memory, id: own } };
  try {
    return runNow(decodeResponse(body, { headerLength: length, limits, ...answers }));
  } catch (error) {
    return `${error}`;
  }
}

/** A memory that counts what was found in it, and what was put there. */
function counted(inner: CodecMemory) {
  const counts = { found: 0, kept: 0 };
  const memory: CodecMemory = {
    get(key) {
      const value = inner.get(key);
      if (value !== undefined) counts.found += 1;
      return value;
    },
    set(key, value) {
      counts.kept += 1;
      inner.set(key, value);
    },
  };
  return { memory, counts };
}

function check(memory: CodecMemory, rounds: number): { readonly read: number; readonly refused: number } {
  const random = seeded(12);
  const counts = { read: 0, refused: 0 };
  for (let i = 0; i < rounds; i += 1) {
    const ask = askFrom(random);
    const wanted = outcome(ask);
    counts[typeof wanted === "string" ? "refused" : "read"] += 1;
    expect(outcome(ask, memory), `${ask.own}: ${ask.head}`).toEqual(wanted);
  }
  return counts;
}

describe("answers whose heads were read before", () => {
  test("20,000 bodies are read and refused as if each head were read anew", () => {
    const { memory, counts } = counted(openCodecMemory(4096));
    const { read, refused } = check(memory, 20_000);
    expect(read).toBeGreaterThan(3_000);
    expect(refused).toBeGreaterThan(5_000);
    expect(counts.found).toBeGreaterThan(1_000);
  });

  test("the same with a memory that is begun anew all the time", () => {
    check(openCodecMemory(2), 5_000);
  });

  test("seeded defect: a memory that gives what lies under a key but for its digits is caught", () => {
    const memory = openCodecMemory();
    const worn: CodecMemory = {
      get: (key) => memory.get(key.replace(/\d/g, "")),
      set: (key, value) => memory.set(key.replace(/\d/g, ""), value),
    };
    expect(() => check(worn, 5_000)).toThrow();
  });

  test("each has its own id and its own body's bytes, and the head is read once", () => {
    const { memory, counts } = counted(openCodecMemory());
    const seen = IDS.map((own, n) => {
      const head = `{"id":"${own}","model_name":"m","outputs":[${blob('"y"', [2, 2], "FP32", 16)}]}`;
      const body = Buffer.concat([Buffer.from(head), Buffer.alloc(16, n)]);
      const { id, outputs } = outcome({ own, body, length: head.length }, memory) as OipResponse;
      const data = outputs[0]?.data;
      return [id, data?.[5], data?.buffer === body.buffer];
    });
    expect(seen).toEqual(IDS.map((own, n) => [own, n, true]));
    expect(counts).toEqual({ found: 3, kept: 1 });
  });
});
