// Requests that are almost right: good ones of every form, mutated by seed in their structure, bytes, headers and paths.

import { deflateSync, gzipSync } from "node:zlib";
import { type Chance, randomInputs } from "./gateway-demo.ts";
import { elementTexts, type Plain } from "./gateway-oip.ts";

/** A request on its way: what goes onto the wire. */
export interface Shot {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** What was done to it, for the report. */
  readonly story: readonly string[];
}

type Json = null | boolean | string | Token | Json[] | { [key: string]: Json };

/** A number as its own text, so that mutations may write what no JavaScript number is. */
interface Token {
  readonly token: string;
}

interface Draft {
  method: string;
  model: string;
  version: string | undefined;
  tail: string;
  json: { [key: string]: Json };
  blobs: Buffer[];
  headers: Record<string, string>;
  /** How the body is really compressed, whatever the header says. */
  coding: "gzip" | "deflate" | undefined;
  readonly story: string[];
}

const MODELS = ["add_sub", "digits", "iris", "language"] as const;

/** A mutated request; the same seed gives the same. */
export function mutated(dice: Chance): Shot {
  const draft = goodDraft(dice);
  const count = dice.pick([0, 1, 1, 1, 1, 2, 2, 3]);
  for (let i = 0; i < count; i += 1) {
    const [name, mutate] = dice.pick(MUTATIONS);
    draft.story.push(name);
    mutate(draft, dice);
  }
  const shot = shotOf(draft, dice);
  return dice.below(6) === 0 ? damaged(shot, dice) : shot;
}

function goodDraft(dice: Chance): Draft {
  const model = dice.pick(MODELS);
  const inputs = randomInputs(model, dice, { rows: 1 + dice.below(3) });
  const binary = dice.below(2) === 0;
  const draft: Draft = {
    method: "POST",
    model,
    version: dice.below(3) === 0 ? "1" : undefined,
    tail: "/infer",
    json: { inputs: inputs.map((input) => inputJson(input, binary)) },
    blobs: binary ? inputs.map((input) => Buffer.from(input.data)) : [],
    headers: {},
    coding: undefined,
    story: [`${model} ${binary ? "binary" : "json"}`],
  };
  if (dice.below(3) === 0) draft.json.id = `${dice.below(1e9)}`;
  if (dice.below(2) === 0) draft.json.parameters = { binary_data_output: dice.below(2) === 0 };
  return draft;
}

function inputJson(input: Plain, binary: boolean): Json {
  const head = { name: input.name, shape: input.shape.map((size) => number(size)), datatype: input.datatype };
  if (binary) return { ...head, parameters: { binary_data_size: number(input.data.byteLength) } };
  const data = elementTexts(input).map((text) =>
    input.datatype === "BYTES" ? (JSON.parse(text) as string) : { token: text },
  );
  return { ...head, data };
}

const number = (value: number): Token => ({ token: String(value) });

const ODD_TOKENS = [
  "0",
  "-0",
  "1",
  "-1",
  "1.0",
  "1e0",
  "1e400",
  "-1e400",
  "1E+2",
  "0.1e-400",
  "01",
  "+1",
  ".5",
  "5.",
  "0x10",
  "1_000",
  "NaN",
  "Infinity",
  "-Infinity",
  "nan",
  "Inf",
  "-",
  "2147483648",
  "-2147483649",
  "9223372036854775808",
  "18446744073709551616",
  `1${"0".repeat(400)}`,
  `0.${"0".repeat(400)}1`,
  "true",
  "null",
  '"7"',
  "[1]",
  "{}",
  "undefined",
  "1,2",
  "",
];
const ODD_TEXTS = [
  "",
  "INPUT0",
  "input0",
  "OUTPUT0",
  "probabilities",
  "__proto__",
  "constructor",
  "é",
  "\u0000",
  "a".repeat(5000),
  "../x",
  "FP32",
  "INT32",
  "BYTES",
  "FP16",
  "BF16",
  "BOOL",
  "FP128",
  "float",
];
const ODD_SIZES = [
  "0",
  "1",
  "2",
  "3",
  "-1",
  "4294967296",
  "9007199254740992",
  "9007199254740993",
  "1.5",
  "1e2",
  '"1"',
  "null",
];

const oddToken = (dice: Chance): Json => ({ token: dice.pick(ODD_TOKENS) });
const oddText = (dice: Chance): string => dice.pick(ODD_TEXTS);

function set<T, K extends keyof T>(of: T, key: K, value: T[K]): void {
  of[key] = value;
}

type Mutation = readonly [name: string, mutate: (draft: Draft, dice: Chance) => void];

const MUTATIONS: readonly Mutation[] = [
  ["an input's shape", (draft, dice) => withInput(draft, dice, (input) => mutateShape(input, dice))],
  ["an input's datatype", (draft, dice) => withInput(draft, dice, (input) => set(input, "datatype", oddText(dice)))],
  ["an input's name", (draft, dice) => withInput(draft, dice, (input) => set(input, "name", oddText(dice)))],
  ["one value", (draft, dice) => withInput(draft, dice, (input) => mutateData(input, dice))],
  ["one value", (draft, dice) => withInput(draft, dice, (input) => mutateData(input, dice))],
  ["a value more or less", (draft, dice) => withInput(draft, dice, (input) => resize(input, dice))],
  ["nested data", (draft, dice) => withInput(draft, dice, (input) => nest(input, dice))],
  ["binary_data_size", (draft, dice) => withInput(draft, dice, (input) => mutateSize(input, dice))],
  ["a member of an input gone", (draft, dice) => withInput(draft, dice, (input) => dropMember(input, dice))],
  ["a member of an input of another type", (draft, dice) => withInput(draft, dice, (input) => retype(input, dice))],
  ["members of an input in another order", (draft, dice) => withInput(draft, dice, (input) => reorder(input, dice))],
  ["a member of the body gone", (draft, dice) => dropMember(draft.json, dice)],
  ["a member of the body of another type", (draft, dice) => retype(draft.json, dice)],
  [
    "a member that nobody knows",
    (draft, dice) => set(draft.json, dice.pick(["extra", "model_name", "", "inputs "]), anyJson(dice, 3)),
  ],
  ["an input more", (draft, dice) => inputsOf(draft).push(dice.pick([...inputsOf(draft), null, {}, "x"]))],
  ["an input less", (draft, dice) => void inputsOf(draft).splice(dice.below(2), 1)],
  [
    "inputs in another order",
    (draft) => {
      inputsOf(draft).reverse();
      draft.blobs.reverse();
    },
  ],
  ["outputs", (draft, dice) => set(draft.json, "outputs", someOutputs(dice))],
  ["parameters", (draft, dice) => set(draft.json, "parameters", someParameters(dice))],
  [
    "an id",
    (draft, dice) =>
      set(draft.json, "id", dice.pick<Json>(["", "x".repeat(300), "é\u2028", null, true, { token: "5" }])),
  ],
  ["deep nesting", (draft, dice) => set(draft.json, "extra", deep(dice.pick([50, 99, 101, 5000])))],
  ["a blob's bytes", (draft, dice) => draft.blobs.length > 0 && void scramble(dice.pick(draft.blobs), dice)],
  ["a blob of another length", (draft, dice) => resizeBlob(draft, dice)],
  [
    "the JSON's length",
    (draft, dice) =>
      set(
        draft.headers,
        "inference-header-content-length",
        dice.pick(["0", "1", "17", "-1", "abc", "1e3", "99999999", ""]),
      ),
  ],
  [
    "a content-type",
    (draft, dice) =>
      set(
        draft.headers,
        "content-type",
        dice.pick(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "nonsense", ""]),
      ),
  ],
  ["a content-encoding", (draft, dice) => mutateCoding(draft, dice)],
  [
    "an accept-encoding",
    (draft, dice) =>
      set(draft.headers, "accept-encoding", dice.pick(["gzip", "deflate;q=0.5", "*", "br", "gzip;q=9e99", ",,;;"])),
  ],
  [
    "a timeout",
    (draft, dice) => set(draft.headers, "x-request-timeout-ms", dice.pick(["60000", "-1", "0", "x", "1e9", "NaN"])),
  ],
  [
    "ids in headers",
    (draft, dice) => set(draft.headers, "traceparent", dice.pick(["00", "x".repeat(300), "00-0-0-0"])),
  ],
  [
    "the version",
    (draft, dice) =>
      set(
        draft,
        "version",
        dice.pick(["2", "1", "0", "01", "3", "-1", "x", "1%20", "%31", "99999999999999999999", ""]),
      ),
  ],
  [
    "the model",
    (draft, dice) =>
      set(
        draft,
        "model",
        dice.pick([...MODELS, "nobody", "..%2fdigits", "%64igits", "digits%00", "__proto__", "", "a".repeat(9000)]),
      ),
  ],
  [
    "the tail",
    (draft, dice) =>
      set(
        draft,
        "tail",
        dice.pick(["/infer/", "/Infer", "/infer?a=b", "//infer", "/infer#x", "", "/ready", "/infer%20"]),
      ),
  ],
  [
    "the method",
    (draft, dice) => set(draft, "method", dice.pick(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])),
  ],
];

const inputsOf = (draft: Draft): Json[] => (Array.isArray(draft.json.inputs) ? draft.json.inputs : []);

type Input = { [key: string]: Json };

function withInput(draft: Draft, dice: Chance, change: (input: Input) => void): void {
  const inputs = inputsOf(draft);
  const input = inputs.length === 0 ? undefined : dice.pick(inputs);
  if (typeof input === "object" && input !== null && !Array.isArray(input)) change(input as Input);
}

function mutateShape(input: Input, dice: Chance): void {
  const shape = Array.isArray(input.shape) ? input.shape : [];
  const at = dice.below(shape.length + 1);
  const how = dice.below(4);
  if (how === 0) shape.splice(at, 1);
  else if (how === 1) shape.splice(at, 0, { token: dice.pick(ODD_SIZES) });
  else if (how === 2) shape[at] = { token: dice.pick(ODD_SIZES) };
  else shape.reverse();
  input.shape = shape;
}

function mutateData(input: Input, dice: Chance): void {
  if (!Array.isArray(input.data) || input.data.length === 0) return;
  input.data[dice.below(input.data.length)] = dice.below(4) === 0 ? oddText(dice) : oddToken(dice);
}

function resize(input: Input, dice: Chance): void {
  if (!Array.isArray(input.data)) return;
  if (dice.below(2) === 0) input.data.pop();
  else input.data.push(...input.data.slice(0, 1 + dice.below(3)));
}

function nest(input: Input, dice: Chance): void {
  const { data } = input;
  if (!Array.isArray(data)) return;
  const cut = dice.below(data.length + 1);
  input.data = dice.pick<Json>([
    [data],
    [data.slice(0, cut), data.slice(cut)],
    data.map((one) => [one]),
    [[[data]]],
    [...data.slice(0, cut), data.slice(cut)],
  ]);
}

function mutateSize(input: Input, dice: Chance): void {
  const parameters = input.parameters;
  if (typeof parameters !== "object" || parameters === null || Array.isArray(parameters)) return;
  const sizes = [...ODD_SIZES, "4", "64", "128", "256", "18446744073709551616"];
  (parameters as Input).binary_data_size = { token: dice.pick(sizes) };
}

function dropMember(of: { [key: string]: Json }, dice: Chance): void {
  const keys = Object.keys(of);
  if (keys.length > 0) delete of[dice.pick(keys)];
}

function retype(of: { [key: string]: Json }, dice: Chance): void {
  const keys = Object.keys(of);
  if (keys.length > 0) of[dice.pick(keys)] = anyJson(dice, 2);
}

function reorder(of: { [key: string]: Json }, dice: Chance): void {
  const members = Object.entries(of).sort(() => dice.next() - 0.5);
  for (const key of Object.keys(of)) delete of[key];
  for (const [key, value] of members) of[key] = value;
}

function someOutputs(dice: Chance): Json {
  const names = ["OUTPUT1", "OUTPUT0", "probabilities", "digit", "label", "nothing"];
  return Array.from({ length: dice.below(3) }, () => ({
    name: dice.pick(names),
    ...(dice.below(2) === 0 ? {} : { parameters: { binary_data: dice.pick<Json>([true, false, "yes", null]) } }),
  }));
}

function someParameters(dice: Chance): Json {
  const keys = ["binary_data_output", "priority", "sequence_id", "sequence_start", "triton_x", "sluice_x", "x", ""];
  const values: readonly Json[] = [
    true,
    false,
    "text",
    { token: "3" },
    { token: "-3" },
    { token: "1.5" },
    null,
    {},
    [],
  ];
  return Object.fromEntries(Array.from({ length: dice.below(4) }, () => [dice.pick(keys), dice.pick(values)]));
}

function anyJson(dice: Chance, depth: number): Json {
  const how = dice.below(depth > 0 ? 6 : 4);
  if (how === 0) return oddToken(dice);
  if (how === 1) return oddText(dice);
  if (how === 2) return null;
  if (how === 3) return dice.below(2) === 0;
  const inner = Array.from({ length: dice.below(4) }, () => anyJson(dice, depth - 1));
  return how === 4 ? inner : Object.fromEntries(inner.map((value) => [oddText(dice), value]));
}

function deep(depth: number): Json {
  return { token: `${"[".repeat(depth)}${"]".repeat(depth)}` };
}

function scramble(bytes: Buffer, dice: Chance): void {
  for (let i = 0; i < 4 && bytes.byteLength > 0; i += 1) bytes[dice.below(bytes.byteLength)] = dice.below(256);
}

function resizeBlob(draft: Draft, dice: Chance): void {
  if (draft.blobs.length === 0) return;
  const at = dice.below(draft.blobs.length);
  const blob = draft.blobs[at] as Buffer;
  draft.blobs[at] =
    dice.below(2) === 0 ? blob.subarray(0, dice.below(blob.byteLength + 1)) : Buffer.concat([blob, blob]);
}

function mutateCoding(draft: Draft, dice: Chance): void {
  draft.coding = dice.pick(["gzip", "deflate", undefined] as const);
  const said = dice.pick([
    draft.coding ?? "identity",
    draft.coding ?? "identity",
    "gzip",
    "br",
    "GZIP",
    "gzip, gzip",
    "",
  ]);
  draft.headers["content-encoding"] = said;
}

function shotOf(draft: Draft, dice: Chance): Shot {
  const json = Buffer.from(jsonText(draft.json, dice));
  const plainBody = Buffer.concat([json, ...draft.blobs]);
  const lengths = draft.blobs.length > 0 ? { "inference-header-content-length": String(json.byteLength) } : {};
  const version = draft.version === undefined ? "" : `/versions/${draft.version}`;
  return {
    method: draft.method,
    path: `/v2/models/${draft.model}${version}${draft.tail}`,
    headers: { ...lengths, ...draft.headers },
    body: compressed(plainBody, draft.coding),
    story: draft.story,
  };
}

function compressed(body: Buffer, coding: Draft["coding"]): Buffer {
  if (coding === undefined) return body;
  return coding === "gzip" ? gzipSync(body) : deflateSync(body);
}

/** JSON with tokens as they are, sometimes with spaces, and now and then a member twice. */
function jsonText(value: Json, dice: Chance): string {
  const space = dice.below(8) === 0 ? " \t\r\n" : "";
  const write = (one: Json): string => {
    if (one === null || typeof one !== "object") return JSON.stringify(one);
    if (Array.isArray(one)) return `[${space}${one.map(write).join(`,${space}`)}]`;
    if (typeof one.token === "string") return one.token;
    const members = Object.entries(one).map(([key, inner]) => `${JSON.stringify(key)}${space}:${write(inner as Json)}`);
    if (members.length > 0 && dice.below(150) === 0) members.push(dice.pick(members));
    return `{${members.join(`,${space}`)}}`;
  };
  return write(value);
}

/** The same with its body's bytes changed: flipped, cut, doubled or replaced. */
function damaged(shot: Shot, dice: Chance): Shot {
  const { body } = shot;
  const at = dice.below(body.byteLength + 1);
  const to = at + dice.below(20);
  const how = dice.below(5);
  const story = [...shot.story, `damage ${how} at ${at}`];
  if (how === 0) return { ...shot, story, body: body.subarray(0, at) };
  if (how === 1) return { ...shot, story, body: Buffer.concat([body.subarray(0, to), body.subarray(at)]) };
  if (how === 2) return { ...shot, story, body: Buffer.concat([body.subarray(0, at), body.subarray(to)]) };
  if (how === 3)
    return { ...shot, story, body: Buffer.from(Array.from({ length: dice.below(300) }, () => dice.below(256))) };
  const copy = Buffer.from(body);
  for (let i = 0; i < 1 + dice.below(4) && copy.byteLength > 0; i += 1)
    copy[dice.below(copy.byteLength)] = dice.below(256);
  return { ...shot, story, body: copy };
}
