// A front that remembers what bodies were decoded to answers as one that decodes each of them, whatever comes and changes.

import { describe, expect, it } from "vitest";
import { wholeRequest } from "../../../core/deferred.ts";
import type { ModelMetadata } from "../../../core/model.ts";
import type { DecodeMemo, Planes, Route, WireReply, WireRequest } from "../../../core/protocol.ts";
import type { InferRequest, InferResponse } from "../../../core/request.ts";
import { openMemo } from "../../../gateway/memo.ts";
import { type Contents, openContents } from "../../../policies/cache/contents.ts";
import { openDigests } from "../../../policies/cache/key.ts";
import { runNow } from "../../../wire/sliced.ts";
import { fakeEnv, seededRandom } from "../../support/fake-env.ts";
import { type Ask, anAsk, LENGTH } from "./asks.ts";

const SECRET = new Uint8Array(32).fill(9);
const digests = openDigests({ secret: SECRET });

/** The signatures that a model has one after the other: a datatype, a name and a shape change, and one that nobody tells. */
const SIGNATURES: readonly Pick<ModelMetadata, "inputs" | "outputs">[] = [
  {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
  },
  {
    inputs: [{ name: "x", datatype: "INT64", shape: [-1, 2] }],
    outputs: [{ name: "y", datatype: "INT64", shape: [-1, 2] }],
  },
  {
    inputs: [{ name: "z", datatype: "FP64", shape: [-1, 2] }],
    outputs: [{ name: "y", datatype: "FP64", shape: [-1, 2] }],
  },
];

const metadata = (at: number): ModelMetadata => ({
  name: "m",
  version: "1",
  versions: ["1"],
  platform: "test",
  stateful: false,
  ...(SIGNATURES[at % SIGNATURES.length] as (typeof SIGNATURES)[number]),
});

/** The route of the path, and what stands in it; undefined where it has none. */
function routeOf({
  protocol,
  path,
}: Ask): { readonly route: Route; readonly params: Record<string, string> } | undefined {
  for (const route of protocol.routes) {
    const names: string[] = [];
    const pattern = route.path.replace(/:([a-z]+)/g, (whole, name: string, at: number) => {
      if (at > 0 && route.path[at - 1] !== "/") return whole;
      names.push(name);
      return "([^/:]+)";
    });
    const found = route.method === "POST" ? new RegExp(`^${pattern}$`).exec(path) : null;
    if (found !== null)
      return { route, params: Object.fromEntries(names.map((name, i) => [name, found[i + 1] ?? ""])) };
  }
  return undefined;
}

/** A gateway of one model: answers are its inputs again, kept by their digests where it has a memo. */
function anArm(memoOf?: (contents: Contents) => Pick<DecodeMemo, "key" | "find" | "keep">) {
  const contents = openContents();
  const answers = new Map<string, InferResponse>();
  const state = { signature: 0, found: 0, decoded: 0 };
  const base = memoOf?.(contents);
  const memo: DecodeMemo | undefined =
    base === undefined
      ? undefined
      : {
          ...base,
          wants: (model) => model === "m",
          find(key, decode) {
            const known = base.find(key, decode);
            if (known !== undefined) state.found += 1;
            return known;
          },
        };
  const answer = (request: InferRequest): InferResponse => ({
    kind: "whole",
    model: { name: request.model.name, version: request.model.select.by },
    outputs: request.inputs,
    parameters: new Map(),
  });
  const planes = {
    env: fakeEnv(),
    run: (work: Generator<void, unknown, void>) => runNow(work),
    limits: { maxInputs: 100, maxNesting: 100 },
    tenant: () => undefined,
    tester: () => false,
    operator: {},
    ...(memo === undefined ? {} : { memo }),
    data: {
      models: () => ["m", "n"],
      dialect: () => undefined,
      signature: async () => metadata(state.signature),
      async infer(request: InferRequest) {
        if (memo === undefined) return answer(request);
        const known = contents.of(request);
        const content = known ?? runNow(digests.content(request));
        if (known === undefined) contents.note(request, content);
        const key = `${request.model.name} ${request.model.select.by} ${Buffer.from(content.first).toString("hex")}`;
        const kept = answers.get(key);
        if (kept !== undefined) return kept;
        state.decoded += 1;
        const made = answer(await wholeRequest(request));
        // some are not kept, so that they are decoded after all when they come again
        if (answers.size % 3 !== 2) answers.set(key, made);
        return made;
      },
    },
  } as unknown as Planes;
  return { planes, state };
}

async function askOf(ask: Ask, planes: Planes): Promise<WireReply | undefined> {
  const found = routeOf(ask);
  if (found === undefined) return undefined;
  const wire: WireRequest = {
    method: "POST",
    path: ask.path,
    params: found.params,
    query: new URLSearchParams(ask.query),
    headers: new Map(ask.headers),
    peer: "127.0.0.1",
    arrivedAt: 0,
    signal: new AbortController().signal,
    id: "r",
    traceparent: "t",
    body: Buffer.from(ask.body),
  };
  return found.route.handle(wire, planes);
}

function textOf(reply: WireReply | undefined): string {
  if (reply === undefined) return "no route";
  const { status, headers, body } = reply;
  const parts = body instanceof Uint8Array ? [body] : (body as readonly Uint8Array[]);
  // the moment of an event is its own
  const text = Buffer.concat(parts)
    .toString("latin1")
    .replace(/"time":"[^"]*"/, "");
  return `${status} ${JSON.stringify(Object.entries(headers).filter(([name]) => name !== "ce-time"))} ${text}`;
}

const memoOf = (contents: Contents) => openMemo({ contents, secret: SECRET });

/** What the two arms answer differently, of as many requests with a change of the signature now and then. */
async function differences(count: number, remembering: Parameters<typeof anArm>[0] = memoOf) {
  const random = seededRandom(11);
  const [on, off] = [anArm(remembering), anArm()];
  const different: { readonly ask: Ask; readonly on: string; readonly off: string }[] = [];
  let binary = 0;
  // one difference says enough
  for (let n = 0; n < count && different.length === 0; n += 1) {
    if (random() < 0.005) {
      on.state.signature += 1;
      off.state.signature += 1;
    }
    const ask = anAsk(random);
    const before = on.state.found;
    const [one, other] = [textOf(await askOf(ask, on.planes)), textOf(await askOf(ask, off.planes))];
    if (one !== other) different.push({ ask, on: one, off: other });
    if (on.state.found > before && ask.headers.some(([name]) => name === LENGTH)) binary += 1;
  }
  return { different, binary, ...on.state };
}

const COUNT = 5_000;

describe("a front that remembers bodies", () => {
  it("answers as one that decodes each of them, many of them from memory", { timeout: 60_000 }, async () => {
    const { different, binary, found, decoded } = await differences(COUNT);
    expect(different).toEqual([]);
    expect(found).toBeGreaterThan(COUNT / 7);
    expect(binary).toBeGreaterThan(50);
    expect(decoded).toBeGreaterThan(50);
  });

  it.each([
    ["the way in: front, path and model", [0, 2, 4]],
    ["the headers", [5]],
    ["the signature", [6]],
  ])("is caught when its key leaves out %s", { timeout: 60_000 }, async (_, out) => {
    const { different } = await differences(COUNT, (contents) => {
      const memo = memoOf(contents);
      return {
        ...memo,
        key: (words, body) =>
          memo.key(
            words.map((one, i) => (out.includes(i) ? "" : one)),
            body,
          ),
      };
    });
    expect(different.length).toBeGreaterThan(0);
  });

  it("is caught when its key leaves out the body", async () => {
    const { different } = await differences(COUNT, (contents) => {
      const memo = memoOf(contents);
      return { ...memo, key: (words) => memo.key(words, new Uint8Array()) };
    });
    expect(different.length).toBeGreaterThan(0);
  });
});
