// Requests that are almost right: good ones of every form, mutated by seed in their structure, bytes, headers and paths.

import { deflateSync, gzipSync } from "node:zlib";
import { MUTATIONS } from "./gateway-changes.ts";
import { type Chance, randomInputs } from "./gateway-demo.ts";
import { type Draft, type Json, MODELS, number } from "./gateway-draft.ts";
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
