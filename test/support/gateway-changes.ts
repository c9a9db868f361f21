// The ways to make a good request almost right, each with its name: in structure, values, blobs, headers and path.

import type { Chance } from "./gateway-demo.ts";
import { type Draft, type Json, MODELS } from "./gateway-draft.ts";
import { anyJson, deep, ODD_SIZES, oddText, oddToken, someOutputs, someParameters } from "./gateway-odd.ts";

/** A change with its name for the report. */
export type Mutation = readonly [name: string, mutate: (draft: Draft, dice: Chance) => void];

/** All of them; each is as likely as any other. */
export const MUTATIONS: readonly Mutation[] = [
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

function set<T, K extends keyof T>(of: T, key: K, value: T[K]): void {
  of[key] = value;
}

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
