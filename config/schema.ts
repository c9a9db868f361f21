// The words of the config that are built, each with its description: the one source of the types, the checks and the JSON Schema.

import { type ZodType, z } from "zod";
import { type PolicyKind, wordKinds } from "../core/policy.ts";
import type { Branch } from "../core/route.ts";
import { signatureWord } from "../core/signature.ts";
import { bytes, duration, show } from "../core/words.ts";
import { cacheWord } from "./cache.ts";
import { passthroughWord } from "./passthrough.ts";
import { routeWord } from "./route.ts";
import { endpointWord, sagemakerWord } from "./sagemaker.ts";
import { storeWord } from "./store.ts";
import { labelsWord, targetWords, versionsWord } from "./targets.ts";
import { address, adminWord, exposuresWord, headerName, inFlight, testersWord } from "./words.ts";

/** Says what was expected instead of a bare type. */
function expecting(what: string) {
  return { error: (issue: { readonly input?: unknown }) => `expected ${what}, got ${show(issue.input)}` };
}

const TRUSTED = "true, as until there is authentication only a header that is declared trusted may name the tenant";

const listen = z
  .strictObject({
    http: address().prefault("127.0.0.1:8000").describe("Where every REST protocol is served, told apart by path."),
    grpc: address()
      .optional()
      .describe("Where every gRPC protocol is served, such as 127.0.0.1:8001; nowhere without it."),
    admin: address()
      .prefault("127.0.0.1:8002")
      .describe("Where /metrics, /livez, /readyz and the admin API are served; off loopback admin.token is needed."),
  })
  .prefault({})
  .describe("Where the gateway listens: host:port; port 0 takes a free one.");

const tenant = z
  .strictObject({
    header: headerName().describe("The header that names the tenant."),
    trusted: z
      .literal(true, expecting(TRUSTED))
      .describe("Says that whoever can reach the gateway may name any tenant; required until there is authentication."),
  })
  .describe("Where a request's tenant comes from; none by default.");

const limits = z
  .strictObject({
    body: bytes().prefault("64MiB").describe("The largest body of a request, as sent and inflated."),
    message: bytes().prefault("64MiB").describe("The largest message over gRPC, in and out, as sent and inflated."),
    inFlight: inFlight()
      .prefault("25%")
      .describe("All bodies in the gateway at once: a share of the memory, or a size; beyond it requests get 503."),
    memory: inFlight()
      .prefault("90%")
      .describe("The process's memory: a share of what it may have, or a size; above it new requests get 503."),
    lag: duration()
      .prefault("500ms")
      .describe(
        "How late the event loop may be on the mean of two quarter seconds in a row; above it new requests get 503.",
      ),
    connections: z
      .int()
      .min(1)
      .optional()
      .describe("Connections of clients at once to each listener; half of the open files that the system allows."),
    headers: bytes().prefault("16KiB").describe("All headers of a request."),
    url: bytes().prefault("8KiB").describe("The path and query of a request."),
    inputs: z.int().min(1).max(65_536).default(1024).describe("The inputs of one request."),
    nesting: z.int().min(1).max(1000).default(100).describe("How deep JSON may nest."),
    requestTimeout: duration()
      .prefault("30s")
      .describe("How long a client may take to send a request, headers and body."),
  })
  .prefault({})
  .describe("What a request may be at most.");

const log = z
  .strictObject({
    level: z
      .enum(["debug", "info", "warn", "error", "silent"])
      .default("info")
      .describe("The least important lines that are written; info writes one line a request."),
  })
  .prefault({})
  .describe("The log, on the standard output.");

const triton = z
  .strictObject({
    control: z
      .boolean()
      .default(false)
      .describe("Let clients load and unload models and change the settings of log and trace, over REST and gRPC."),
    sharedMemory: z
      .boolean()
      .default(false)
      .describe(
        "Let clients on this machine pass tensors through /dev/shm; whoever reaches the gateway may then read it.",
      ),
    contents: z
      .enum(["raw", "as-asked"])
      .default("raw")
      .describe("Outputs over gRPC: raw, as Triton has them, or as the inputs came, raw or typed, as KServe has them."),
  })
  .prefault({})
  .describe("What clients may do with Triton's extensions beyond asking, and how they are answered over gRPC.");

/** One backend before its kind has read the words beside `kind:`. */
const backend = z.looseObject({
  kind: z.string(expecting("a kind of backend such as onnx")).describe("Which kind of server runs the models."),
});

/** The words of a model that say where it runs; its policies' words stand beside them. */
const model = z.strictObject({
  ...targetWords,
  backend: z
    .string(expecting("the name of a backend"))
    .optional()
    .describe("The backend that runs the model, in the versions that it has there; instead of versions."),
  versions: versionsWord.optional(),
  labels: labelsWord.optional(),
  signature: signatureWord.optional(),
  dialect: z
    .enum(["tf-serving", "kserve-v1", "torchserve"])
    .optional()
    .describe(
      "Which protocol answers on /v1/models/NAME, which several share; found out from each request without it.",
    ),
  endpoint: endpointWord.optional(),
  // read by branchWord: which routers there are is known only when it runs
  route: z.custom<Branch>().optional(),
});

const MODELS = "What clients ask for, by name. Without it every model of every backend is served under its own name.";

const document = z.strictObject({
  listen,
  readiness: z
    .enum(["gateway", "any", "all"])
    .default("gateway")
    .describe("When /v2/health/ready says yes: the config is applied (gateway), or also any or all models are ready."),
  drainDelay: duration({ zero: true })
    .optional()
    .describe("After SIGTERM: how long requests are still accepted while load balancers notice."),
  drainLimit: duration().prefault("30s").describe("After that: how long requests in flight may take to finish."),
  timeout: duration().prefault("30s").describe("The deadline of a request where neither it nor its model says one."),
  tenant: tenant.optional(),
  testers: testersWord.optional(),
  exposures: exposuresWord.optional(),
  admin: adminWord.optional(),
  store: storeWord.optional(),
  cache: cacheWord,
  limits,
  log,
  debug: z
    .boolean()
    .default(false)
    .describe("Errors tell callers which server was asked and all that it said; on loopback only."),
  triton,
  sagemaker: sagemakerWord.optional(),
  passthrough: passthroughWord.optional(),
  zone: z
    .string()
    .min(1)
    .optional()
    .describe("The zone that the gateway is in: endpoints of the same zone come first."),
  backends: z.record(z.string(), backend).describe("Where models run, by name."),
  models: z.record(z.string(), model).optional().describe(MODELS),
});

/** What the schema makes of a config. A model's policies stand in it under their words. */
export type Document = z.output<typeof document>;

/** The whole config with these policies. What `backends.*` holds beside `kind` is read by the kind. */
export function documentOf(policies: readonly PolicyKind[]): ZodType<Document> {
  const words = Object.fromEntries(wordKinds(policies).map(({ word, options }) => [word, options.optional()]));
  // the type stays that of a model's own words: which policies there are is known only when it runs
  const withPolicies = model.extend({ ...words, route: routeWord(policies).optional() }) as unknown as typeof model;
  const top = policies.flatMap((kind) =>
    kind.place === "layer" && kind.atTop !== undefined ? [[kind.word, kind.atTop.options.optional()]] : [],
  );
  const models = z.record(z.string(), withPolicies).optional().describe(MODELS);
  return document.extend({ ...Object.fromEntries(top), models }) as unknown as typeof document;
}
