// Asks a running gateway over HTTP, and says in plain words when it cannot.

import { z } from "zod";
import type { TensorSpec } from "../../core/model.ts";
import { isDatatype } from "../../core/tensor.ts";
import { CliError, EXIT } from "./io.ts";

/** Where a gateway listens when nobody says otherwise. */
export const DEFAULT_URL = "http://127.0.0.1:8000";

/** Where its admin listener is when nobody says otherwise. */
export const DEFAULT_ADMIN_URL = "http://127.0.0.1:8002";

/** The variable that holds the token of the admin listener, which arguments would show to everybody on the machine. */
export const TOKEN_VARIABLE = "SLUICE_ADMIN_TOKEN";

/** What an operator's request brings along. */
export function adminHeaders(env: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  const token = env[TOKEN_VARIABLE];
  return token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` };
}

/** How long the CLI waits for an answer; the gateway's own deadline is 30 s by default. */
const TIMEOUT_MS = 60_000;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** What a gateway says of a model. */
export interface ModelInfo {
  readonly name: string;
  readonly versions: readonly string[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

export interface Ask {
  readonly method?: "GET" | "POST";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** A gateway that can be asked. */
export interface Client {
  readonly url: string;
  /** The answer, whatever its status. @throws CliError when no gateway answers */
  ask(ask: Ask): Promise<Answer>;
  /** The names of the models that it serves, and whether each is ready. @throws CliError with the gateway's own words */
  models(): Promise<readonly { readonly name: string; readonly ready: boolean }[]>;
  /** @throws CliError with the gateway's own words: an unknown model, one that is not ready */
  metadata(model: string, version?: string): Promise<ModelInfo>;
}

/** @throws CliError for what is no http or https URL */
export function openClient(url: string): Client {
  const base = checkUrl(url);
  const ask = (what: Ask) => send(base, what);
  const json = async (path: string) => {
    const answer = await ask({ path });
    if (answer.status !== 200) throw new CliError(refusal(answer));
    return parse(answer.body, base + path);
  };
  return {
    url: base,
    ask,
    async models() {
      return expectShape(LIST, await json("/v2/models"), `${base}/v2/models`).models;
    },
    async metadata(model, version) {
      const path = modelPath(model, version);
      return expectShape(METADATA, await json(path), base + path);
    },
  };
}

/** The path of a model, its name safe in a URL. */
export function modelPath(model: string, version?: string): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

/** What a gateway says when it refuses, and its status. */
export function refusal(answer: Answer): string {
  const text = Buffer.from(answer.body).toString();
  try {
    const { error } = ERROR.parse(JSON.parse(text));
    return `${error} (${answer.status})`;
  } catch {
    return `expected an answer of the gateway, got status ${answer.status}: ${text.slice(0, 200)}`;
  }
}

const ERROR = z.object({ error: z.string() });
const LIST = z.object({ models: z.array(z.object({ name: z.string(), ready: z.boolean().default(true) })) });
const SPEC = z.object({
  name: z.string(),
  datatype: z.string().refine(isDatatype),
  shape: z.array(z.number()),
});
const METADATA = z.object({
  name: z.string(),
  versions: z.array(z.string()).default([]),
  inputs: z.array(SPEC),
  outputs: z.array(SPEC),
});

function checkUrl(url: string): string {
  const expected = `expected the URL of a gateway such as ${DEFAULT_URL}, got ${JSON.stringify(url)}`;
  if (!URL.canParse(url)) throw new CliError(expected, EXIT.usage);
  const { protocol, origin, pathname } = new URL(url);
  if (protocol !== "http:" && protocol !== "https:") throw new CliError(expected, EXIT.usage);
  return `${origin}${pathname.replace(/\/+$/, "")}`;
}

async function send(base: string, { method = "GET", path, headers = {}, body }: Ask): Promise<Answer> {
  try {
    const response = await fetch(base + path, {
      method,
      headers,
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    });
    return { status: response.status, headers: response.headers, body: await response.bytes() };
  } catch (error) {
    throw new CliError(
      `no gateway answers at ${base}: ${reason(error)} ("sluice serve" starts one, --url names another)`,
    );
  }
}

function reason(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  if (cause?.code === "ECONNREFUSED") return "connection refused";
  if (cause?.code === "ENOTFOUND") return "no such host";
  if (error instanceof Error && error.name === "TimeoutError") return `no answer within ${TIMEOUT_MS / 1000} s`;
  return cause?.message ?? (error instanceof Error ? error.message : String(error));
}

function expectShape<T>(schema: z.ZodType<T>, value: unknown, url: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new CliError(`expected the answer of a gateway from ${url}, got something else: is it Sluice?`);
}

function parse(body: Uint8Array, url: string): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    throw new CliError(`expected JSON from ${url}, got something else`);
  }
}
