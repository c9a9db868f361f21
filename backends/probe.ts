// Finds out what a running server is: its kind, its models, their signatures, and how they behave when they are asked.

import type { Backend, BackendContext } from "../core/backend.ts";
import type { Env } from "../core/env.ts";
import { asInferError, InferError } from "../core/error.ts";
import { realClients } from "./external/clients.ts";
import { detectGrpc } from "./probe/detect-grpc.ts";
import { detectHttp } from "./probe/detect-http.ts";
import type { Detected, Undetected } from "./probe/detected.ts";
import { habitsOf } from "./probe/habits.ts";
import { type ProbedModel, readModels } from "./probe/models.ts";
import type { ProbeTarget } from "./probe/target.ts";
import { backendKinds } from "./registry.ts";

export interface ProbeOptions {
  readonly target: ProbeTarget;
  /** The models to look at, by their names there; all that the server lists when empty. */
  readonly models: readonly string[];
  /** What a person knows of models that the server does not tell, in the words of a config: these are looked at too. */
  readonly signatures: ReadonlyMap<string, object>;
  /** Whether models are asked with made-up inputs. */
  readonly run: boolean;
  /** Sent with every question, such as a key. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a server was found to be. */
export interface Probed {
  readonly kind: string;
  /** The address as the config has it. */
  readonly endpoint: string;
  /** The words beside `kind` and `endpoints`. */
  readonly words: Readonly<Record<string, unknown>>;
  /** What it says it is. */
  readonly server: string;
  /** False for a server that no kind recognises: then it is taken for plain HTTP. */
  readonly recognised: boolean;
  readonly quirks: readonly string[];
  readonly models: readonly ProbedModel[];
  /** Why it does not do its work now, where it says so. */
  readonly unwell?: string;
}

export type ProbeContext = Omit<BackendContext, "name">;

const CONNECT_MS = 3_000;
const ANSWER_MS = 10_000;
const MOST_ANSWER_BYTES = 64 * 1024 * 1024;
/** How long a server may take to say how it is and what it has. */
const LOOK_MS = 15_000;

/**
 * Asks the server what it is, then its kind's own connection what it has, then its models how they behave. Loads, unloads
 * and changes nothing.
 *
 * @throws InferError unavailable when nothing answers there, permission-denied when it wants credentials, unsupported
 * when no kind fits and plain HTTP does not either
 */
export async function probe(options: ProbeOptions, context: ProbeContext): Promise<Probed> {
  const found = await detect(options, context.env);
  if (!("why" in found)) return look(found, options, context);
  if (found.why === "refused") {
    throw new InferError("permission-denied", `the server wants credentials (${found.said}): --header sends them`);
  }
  if (found.why === "foreign" || options.target.transport === "grpc") {
    throw new InferError("unsupported", `no kind of server is recognised: ${found.said}`);
  }
  return {
    kind: "http",
    endpoint: options.target.endpoint.http,
    words: {},
    server: "",
    recognised: false,
    quirks: [found.said],
    models: wantedOf(options).map((name) => ({
      name,
      versions: [],
      untold: "plain HTTP tells no signatures",
      untried: "its path and its body are not known",
    })),
  };
}

async function detect({ target, headers }: ProbeOptions, env: Env): Promise<Detected | Undetected> {
  const limit = new AbortController();
  const stopTimer = env.clock.after(LOOK_MS, () =>
    limit.abort(new InferError("unavailable", `the server did not answer within ${LOOK_MS / 1000} s`)),
  );
  try {
    if (target.transport === "grpc") return await overGrpc(target, { headers, signal: limit.signal, env });
    const found = await overHttp(target, { headers, signal: limit.signal, env });
    if (!("why" in found) || found.why !== "foreign") return found;
    const other = await overGrpc(target, { headers, signal: limit.signal, env }).catch(noGrpc);
    return "why" in other ? { ...other, said: `${found.said}; over gRPC: ${other.said}` } : other;
  } finally {
    stopTimer();
  }
}

// somebody answers there, whatever it is
function noGrpc(error: unknown): Undetected {
  return { why: "foreign", said: asInferError(error).message };
}

interface Asking {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly env: Env;
}

async function overHttp({ url }: ProbeTarget, { headers, signal, env }: Asking) {
  const client = realClients.http({
    url,
    connections: 1,
    timeouts: { connectMs: CONNECT_MS, headersMs: ANSWER_MS, bodyMs: ANSWER_MS },
    maxAnswerBytes: MOST_ANSWER_BYTES,
    proxy: env.variables,
  });
  try {
    return await detectHttp(client, headers, signal);
  } finally {
    await client.close();
  }
}

function overGrpc({ url }: ProbeTarget, asking: Asking) {
  const { env } = asking;
  const limits = { connectTimeoutMs: CONNECT_MS, maxMessageBytes: MOST_ANSWER_BYTES };
  return detectGrpc((options) => realClients.grpc({ ...options, ...limits, url, env, proxy: env.variables }), asking);
}

async function look(found: Detected, options: ProbeOptions, context: ProbeContext): Promise<Probed> {
  const endpoint = options.target.endpoint[found.transport];
  const watch = openWatch(context.env);
  const backend = await openBackend(found, { endpoint, options, context: { ...context, env: watch.env } });
  try {
    const { server, unwell } = await watch.looked;
    const models =
      unwell === undefined
        ? await readModels(backend, { models: wantedOf(options), run: options.run, env: context.env })
        : [];
    return {
      kind: found.kind,
      endpoint,
      words: found.words,
      server: found.server || (server ?? ""),
      recognised: true,
      quirks: habitsOf(found),
      models,
      ...(unwell === undefined ? {} : { unwell }),
    };
  } finally {
    await backend.close();
  }
}

interface Opening {
  readonly endpoint: string;
  readonly options: ProbeOptions;
  readonly context: ProbeContext;
}

async function openBackend({ kind, words }: Detected, { endpoint, options, context }: Opening): Promise<Backend> {
  const known = backendKinds.find((one) => one.kind === kind);
  if (known === undefined) throw new InferError("internal", `the kind "${kind}" is not registered`);
  const read = known.options.parse({
    ...words,
    endpoints: [endpoint],
    headers: { send: options.headers },
    health: { timeout: "3s" },
    models: Object.fromEntries(wantedOf(options).map((name) => [name, modelWords(options, name)])),
  });
  return known.open(read, { ...context, name: "probe" });
}

function wantedOf({ models, signatures }: ProbeOptions): readonly string[] {
  return [...new Set([...models, ...signatures.keys()])];
}

function modelWords({ signatures }: ProbeOptions, name: string): object {
  const signature = signatures.get(name);
  return signature === undefined ? {} : { signature };
}

interface Looked {
  /** What its kind's connection says it is. */
  readonly server?: string;
  readonly unwell?: string;
}

/** An Env through which the first look at the only endpoint is heard. */
function openWatch(env: Env): { readonly env: Env; readonly looked: Promise<Looked> } {
  const { promise: looked, resolve: settle } = Promise.withResolvers<Looked>();
  return {
    looked,
    env: {
      ...env,
      log: {
        ...env.log,
        info: (fields, message) => {
          if ("server" in fields && typeof fields.server === "string") settle({ server: fields.server });
          env.log.info(fields, message);
        },
      },
      emit(event) {
        env.emit(event);
        if (event.type !== "endpoint-state") return;
        if (event.state === "unhealthy") settle({ unwell: event.reason ?? "it is not ready" });
      },
    },
  };
}
