// Recognises a server over HTTP by what each kind alone answers: GET and OPTIONS only, nothing is run, loaded or changed.

import { z } from "zod";
import { asInferError } from "../../core/error.ts";
import type { HttpAnswer, HttpClient } from "../connection.ts";
import { parseDocument } from "../http/bodies.ts";
import type { Detected, Undetected } from "./detected.ts";

/** Asks one of the harmless questions. */
type Ask = (path: string, method?: "GET" | "OPTIONS") => Promise<HttpAnswer>;

type Look = (ask: Ask) => Promise<Omit<Detected, "transport"> | undefined>;

/** In this order: the kinds that say who they are stand above those that are told by a habit. */
const LOOKS: readonly Look[] = [openInference, bentoml, torchServe, litServe, tfServing, kserveV1, sageMaker];

/**
 * Asks until a kind is recognised: at most nine questions, one after the other.
 *
 * @param headers sent with each question
 * @throws InferError unavailable when nothing answers
 */
export async function detectHttp(
  client: HttpClient,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Detected | Undetected> {
  const known = new Map<string, HttpAnswer>();
  const ask: Ask = async (path, method = "GET") => {
    const key = `${method} ${path}`;
    const answer = known.get(key) ?? (await client.ask({ method, path, headers, idempotent: true }, { signal }));
    known.set(key, answer);
    return answer;
  };
  try {
    for (const look of LOOKS) {
      const found = await look(ask);
      if (found !== undefined)
        return { ...found, transport: "http", notes: [...found.notes, ...habits([...known.values()])] };
    }
  } catch (error) {
    const fault = asInferError(error);
    // what is no HTTP at all may be gRPC
    if (fault.code === "bad-backend" && known.size === 0) return { why: "foreign", said: fault.message };
    throw fault;
  }
  const answers = [...known.values()];
  const refused = answers.find(({ status }) => status === 401 || status === 403);
  if (refused !== undefined) return { why: "refused", said: `status ${refused.status}` };
  const closing = habits(answers);
  const statuses = [...new Set(answers.map(({ status }) => status))].join(", ");
  const said = `it answers HTTP (status ${statuses}), and nothing by which a kind is known`;
  return { why: "unknown", said: [said, ...closing].join("; ") };
}

function habits(answers: readonly HttpAnswer[]): readonly string[] {
  const isClosing = answers.every(
    ({ status, headers }) => status >= 400 || /close/i.test(headers.get("connection") ?? ""),
  );
  const isOften = answers.some(({ status }) => status < 400);
  return isClosing && isOften ? ["closes the connection after each answer"] : [];
}

const oipShape = z.object({
  name: z.string(),
  version: z.string().default(""),
  extensions: z.array(z.string()).default([]),
});
const namesShape = z.object({ models: z.array(z.string()) });

async function openInference(ask: Ask) {
  const answer = await ask("/v2");
  const read = oipShape.safeParse(parseDocument(answer.body));
  if (answer.status !== 200 || !read.success) return undefined;
  const { name, version, extensions } = read.data;
  const server = `${name} ${version}`.trim();
  if (/triton/i.test(name)) return { kind: "triton", words: { protocol: "http" }, server, extensions, notes: [] };
  const isV1 = /kserve/i.test(name) && namesShape.safeParse(parseDocument((await ask("/v1/models")).body)).success;
  const notes = isV1 ? ["speaks KServe's V1 protocol too: kind: kserve-v1 reaches it that way"] : [];
  return { kind: "oip", words: { protocol: "http" }, server, extensions, notes };
}

const bentoShape = z.object({ name: z.string().default(""), type: z.literal("service"), routes: z.array(z.unknown()) });

async function bentoml(ask: Ask) {
  const read = bentoShape.safeParse(parseDocument((await ask("/schema.json")).body));
  if (!read.success) return undefined;
  return { kind: "bentoml", words: {}, server: `bentoml service ${read.data.name}`.trim(), notes: [] };
}

const openApiShape = z.object({
  info: z.object({ title: z.string(), version: z.string().default("") }),
  paths: z.record(z.string(), z.unknown()).default({}),
});
const torchFaultShape = z.object({ code: z.literal(400), type: z.string(), message: z.string() });

async function torchServe(ask: Ask) {
  const told = openApiShape.safeParse(parseDocument((await ask("/", "OPTIONS")).body));
  if (told.success && /torchserve/i.test(told.data.info.title)) {
    const { info, paths } = told.data;
    const isManagement = !Object.hasOwn(paths, "/ping");
    const note = isManagement
      ? ["this is its management port: name that of inference as the endpoint, and this one under management"]
      : ["tells versions and readiness of models on its management port only: management: 8081"];
    return {
      kind: "torchserve",
      words: { protocol: "http" },
      server: `torchserve ${info.version}`.trim(),
      notes: note,
    };
  }
  // with token authorization nothing is answered without a key, and a bad key is a 400
  const ping = await ask("/ping");
  const refused = torchFaultShape.safeParse(parseDocument(ping.body));
  if (!refused.success || !/token/i.test(refused.data.message)) return undefined;
  return { kind: "torchserve", words: { protocol: "http" }, server: "torchserve", notes: [`wants a key: token`] };
}

const infoShape = z.object({ server: z.object({ stream: z.record(z.string(), z.boolean()) }) });

async function litServe(ask: Ask) {
  const info = await ask("/info");
  const isOpen = infoShape.safeParse(parseDocument(info.body)).success;
  const isGuarded = info.status === 401 && /^apikey/i.test(info.headers.get("www-authenticate") ?? "");
  if (!isOpen && !isGuarded) return undefined;
  return { kind: "litserve", words: {}, server: "litserve", notes: isGuarded ? ["wants a key: apiKey"] : [] };
}

const errorShape = z.object({ error: z.string() });

// The answer to a path without a model: no other server says it in these words.
async function tfServing(ask: Ask) {
  const answer = await ask("/v1/models");
  const read = errorShape.safeParse(parseDocument(answer.body));
  const isIt = read.success && /^(missing model name in request|malformed request: get )/i.test(read.data.error);
  return isIt ? { kind: "tf-serving", words: { protocol: "rest" }, server: "tf-serving", notes: [] } : undefined;
}

async function kserveV1(ask: Ask) {
  const answer = await ask("/v1/models");
  if (answer.status !== 200 || !namesShape.safeParse(parseDocument(answer.body)).success) return undefined;
  return { kind: "kserve-v1", words: {}, server: "kserve-v1", notes: [] };
}

const containerShape = z.object({ models: z.array(z.object({ modelName: z.string() })) });

// /invocations is there, and takes no GET.
async function sageMaker(ask: Ask) {
  if ((await ask("/ping")).status !== 200 || (await ask("/invocations")).status !== 405) return undefined;
  const several = containerShape.safeParse(parseDocument((await ask("/models")).body)).success;
  const words = several ? { mode: "container", multiModel: true } : { mode: "container" };
  return { kind: "sagemaker", words, server: "sagemaker container", notes: [] };
}
