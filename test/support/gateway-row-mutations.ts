// Requests to the fronts that speak in rows, almost right: good ones, mutated by seed in their structure, bytes, paths and headers.

import type { Chance } from "./gateway-demo.ts";

/** JSON, and numbers as the text that they are sent as. */
export type Node = null | boolean | string | Token | Node[] | { [key: string]: Node };

/** A token of JSON, right or wrong. */
export interface Token {
  readonly token: string;
}

export interface RowShot {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** What was done to it, for the report. */
  readonly story: readonly string[];
}

const token = (text: string | number): Token => ({ token: String(text) });
const isToken = (node: Node): node is Token =>
  typeof node === "object" && node !== null && "token" in node && typeof node.token === "string";

const TOKENS = [
  "0",
  "-0",
  "1.5",
  "1e999",
  "-1e-400",
  "NaN",
  "-Infinity",
  "9223372036854775808",
  "1e3",
  "0x1",
  "01",
  "+1",
];
const ODD: readonly Node[] = [null, true, "", "x", [], {}, { b64: "AA==" }, { b64: "%" }, { b64: token(1) }, [[]]];
const KEYS = ["x", "a", "b", "t", "instances", "inputs", "signature_name", "b64", "examples", "__proto__", ""];

/** A mutated request; the same seed gives the same. */
export function mutatedRows(dice: Chance): RowShot {
  const model = dice.pick(["half", "half", "pair", "words", "echo", "half-kserve", "half-tfs", "echo-kserve"]);
  const story: string[] = [model];
  let body = goodBody(model, dice);
  for (let i = dice.pick([0, 0, 1, 1, 1, 2, 3]); i > 0; i -= 1) body = mutate(body, dice, story);
  let bytes = Buffer.from(textOf(body, dice));
  if (dice.below(5) === 0) bytes = damage(bytes, dice, story);
  const verb = dice.below(8) === 0 ? dice.pick(["classify", "regress", "explain", "PREDICT", ""]) : "predict";
  const where = dice.pick([
    "",
    "",
    "",
    "",
    "/versions/1",
    "/versions/9",
    "/labels/stable",
    "/labels/x",
    "/versions/%zz",
  ]);
  const headers: Record<string, string> = dice.below(2) === 0 ? { "content-type": "application/json" } : {};
  if (dice.below(8) === 0) headers["content-type"] = "application/cloudevents+json";
  if (dice.below(8) === 0)
    Object.assign(headers, { "ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0" });
  return { path: `/v1/models/${model}${where}${verb === "" ? "" : `:${verb}`}`, headers, body: bytes, story };
}

function goodBody(model: string, dice: Chance): Node {
  const rows = 1 + dice.below(3);
  const fill = (one: () => Node): Node[] => Array.from({ length: rows }, one);
  const float = () => token(dice.pick(["1", "2.5", "-3e2", "0.1", String(dice.next())]));
  const columns: Record<string, () => Node> =
    model === "pair"
      ? { a: () => [float(), float()], b: () => token(dice.below(1e9)) }
      : model === "words"
        ? { t: () => dice.pick<Node>(["é", "", { b64: "YQ==" }]) }
        : { x: float };
  const names = Object.keys(columns);
  const bare = names.length === 1 && dice.below(2) === 0;
  const body: Record<string, Node> = {};
  if (dice.below(5) === 0) body.signature_name = dice.pick(["", "serving_default", "other"]);
  if (dice.below(2) === 0) {
    const row = () => Object.fromEntries(names.map((name) => [name, (columns[name] as () => Node)()]));
    body.instances = fill(bare ? (columns[names[0] as string] as () => Node) : row);
  } else {
    const values = names.map((name) => [name, fill(columns[name] as () => Node)] as const);
    body.inputs = bare ? (values[0]?.[1] as Node) : Object.fromEntries(values);
  }
  if (dice.below(10) === 0) return { specversion: "1.0", id: "1", source: "s", type: "t", data: body };
  if (dice.below(12) === 0) return { examples: fill(() => ({ a: float(), t: "x" })) };
  return body;
}

/** Changes one place, drawn by walking down. */
function mutate(node: Node, dice: Chance, story: string[]): Node {
  const isInner = typeof node === "object" && node !== null && !isToken(node);
  if (!isInner || dice.below(4) === 0) return replaced(node, dice, story);
  if (Array.isArray(node)) {
    if (node.length === 0 || dice.below(3) === 0) return resized(node, dice, story);
    const at = dice.below(node.length);
    return node.map((one, i) => (i === at ? mutate(one, dice, story) : one));
  }
  const entries = Object.entries(node);
  if (entries.length === 0 || dice.below(3) === 0) return renamed(entries, dice, story);
  const at = dice.below(entries.length);
  return Object.fromEntries(entries.map(([key, one], i) => [key, i === at ? mutate(one, dice, story) : one]));
}

function replaced(node: Node, dice: Chance, story: string[]): Node {
  story.push("replace");
  const how = dice.below(4);
  if (how === 0) return token(dice.pick(TOKENS));
  if (how === 1) return [node];
  if (how === 2) return { [dice.pick(KEYS)]: node };
  return dice.pick(ODD);
}

function resized(list: Node[], dice: Chance, story: string[]): Node {
  story.push("resize");
  const at = dice.below(list.length + 1);
  if (dice.below(2) === 0) return [...list.slice(0, at), ...list.slice(at + 1)];
  return [...list.slice(0, at), dice.pick<Node>([...list, token("7"), ...ODD]), ...list.slice(at)];
}

function renamed(entries: [string, Node][], dice: Chance, story: string[]): Node {
  story.push("rename");
  const at = dice.below(entries.length + 1);
  const how = dice.below(3);
  const kept = how === 0 ? entries.filter((_, i) => i !== at) : entries;
  const key = dice.pick(KEYS);
  const value = entries[at]?.[1] ?? dice.pick(ODD);
  // a name that stands twice is written as a member apart
  if (how === 1) return { ...Object.fromEntries(kept), [key]: value };
  return Object.fromEntries(kept.map(([name, one], i) => [i === at && how === 2 ? key : name, one]));
}

function textOf(node: Node, dice: Chance): string {
  if (node === null || typeof node !== "object") return JSON.stringify(node);
  if (isToken(node)) return node.token;
  const space = dice.below(40) === 0 ? " \n\t" : "";
  if (Array.isArray(node)) return `[${space}${node.map((one) => textOf(one, dice)).join(`,${space}`)}]`;
  const members = Object.entries(node).map(([key, one]) => `${JSON.stringify(key)}${space}:${textOf(one, dice)}`);
  if (members.length > 0 && dice.below(60) === 0) members.push(dice.pick(members));
  return `{${members.join(`,${space}`)}}`;
}

/** The same bytes flipped, cut, doubled or drawn. */
export function damage(body: Buffer, dice: Chance, story: string[]): Buffer<ArrayBuffer> {
  const at = dice.below(body.byteLength + 1);
  const to = at + dice.below(20);
  const how = dice.below(5);
  story.push(`damage ${how} at ${at}`);
  if (how === 0) return Buffer.from(body.subarray(0, at));
  if (how === 1) return Buffer.concat([body.subarray(0, to), body.subarray(at)]);
  if (how === 2) return Buffer.concat([body.subarray(0, at), body.subarray(to)]);
  if (how === 3) return Buffer.from(Array.from({ length: dice.below(200) }, () => dice.below(256)));
  const copy = Buffer.from(body);
  for (let i = 0; i < 1 + dice.below(4) && copy.byteLength > 0; i += 1)
    copy[dice.below(copy.byteLength)] = dice.below(256);
  return copy;
}
