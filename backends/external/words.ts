// The words of the config that every kind of external server has, beside its own.

import { z } from "zod";
import { signatureWord } from "../../core/signature.ts";
import { bytes, duration, show, word } from "../../core/words.ts";
import { serverAddress } from "./addresses.ts";
import { warmUpWord } from "./warm-words.ts";

const every = (usual: string) => duration().prefault(usual);

const entryWords = z.strictObject({
  address: serverAddress().describe("host:port, or a URL with an optional prefix of its paths."),
  weight: z.number().positive().max(1000).default(1).describe("Its share of the work beside the others."),
  zone: z.string().min(1).optional().describe("Where it is: endpoints of the gateway's own zone come first."),
  tier: z.int().min(0).max(15).default(0).describe("0 first: a higher tier gets what the lower ones cannot take."),
  tags: z.array(z.string().min(1)).default([]).describe("Words by which a model picks among the endpoints."),
});

function entryMistake(issue: z.core.$ZodRawIssue): string {
  const asAddress =
    issue.code === "invalid_union" && typeof issue.input === "string" ? issue.errors[0]?.[0] : undefined;
  return asAddress?.message ?? `expected an address, or {address: ...}, got ${show(issue.input)}`;
}

/** One endpoint of the list: its address alone, or with what is known of it. */
const entry = z
  .union([serverAddress(), entryWords], {
    error: entryMistake,
  })
  .transform((given) =>
    "address" in given ? given : { address: given, weight: 1, tier: 0, tags: [], zone: undefined },
  );

/** An endpoint as the config, or a file of endpoints, has it. */
export type EntryWords = z.output<typeof entry>;

/** The list of endpoints, as it also stands in a file of its own. */
export const entryList = z.array(entry).superRefine((entries, context) => {
  const seen = new Set<string>();
  for (const [i, { address }] of entries.entries()) {
    const text = `${address.host}:${address.port}${address.prefix}`;
    if (seen.has(text))
      context.addIssue({ code: "custom", path: [i], message: `expected each address once, got ${text} twice` });
    seen.add(text);
  }
});

const ENDPOINTS_EXPECTED = "a list of endpoints, {dns: ...}, {srv: ...} or {file: ...}";

/** What is wrong with the form that was meant: a union by itself tells only that none of its forms fits. */
function endpointsMistake(issue: z.core.$ZodRawIssue): string {
  const { input } = issue;
  const keys = typeof input === "object" && input !== null ? Object.keys(input) : [];
  const meant = Array.isArray(input) ? 0 : ["dns", "srv", "file"].findIndex((key) => keys.includes(key)) + 1;
  const [first] = (issue.code === "invalid_union" && (meant > 0 || Array.isArray(input)) && issue.errors[meant]) || [];
  if (first === undefined || first.code === "unrecognized_keys" || keys.length === 0) {
    return `expected ${ENDPOINTS_EXPECTED}, got ${show(input)}`;
  }
  const [step] = first.path;
  return `${first.message} at ${typeof step === "number" ? `[${step}]` : String(step)}`;
}

const SRV_EXPECTED = "the name of an SRV record such as _http._tcp.triton.models.svc.cluster.local";

const srvName = () =>
  word(SRV_EXPECTED, (text) => (/^[\w-]+(\.[\w-]+)+\.?$/.test(text) ? { value: text } : { expected: SRV_EXPECTED }));

const endpoints = z
  .union(
    [
      entryList.min(1, `expected ${ENDPOINTS_EXPECTED}, got an empty list`),
      z.strictObject({
        dns: serverAddress().describe(
          "name:port, or a URL: each A and AAAA record of the name is an endpoint, and hears itself called by the name.",
        ),
        every: every("10s").describe("How often the name is resolved again."),
      }),
      z.strictObject({
        srv: srvName().describe("Each target of this SRV record is an endpoint, with its port, weight and priority."),
        every: every("10s").describe("How often the record is asked for again."),
      }),
      z.strictObject({
        file: z.string().min(1).describe("A file with a YAML list of endpoints, read again when it changes."),
        every: every("5s").describe("How often the file is looked at."),
      }),
    ],
    { error: endpointsMistake },
  )
  .describe("The servers: a list of addresses, or where to find them.");

const health = z
  .strictObject({
    every: every("5s").describe("How often each endpoint is asked whether it is ready."),
    timeout: every("1s").describe("How long its answer may take."),
    healthyAfter: z.int().min(1).max(100).default(2).describe("Good answers in a row that bring a lost endpoint back."),
    unhealthyAfter: z.int().min(1).max(100).default(3).describe("Bad ones in a row that take it away."),
  })
  .prefault({})
  .describe("How endpoints are checked.");

const path = (what: string) => z.string().min(1).optional().describe(`${what} (PEM), from the config's folder.`);

const tls = z
  .strictObject({
    ca: path("The file of the authorities that sign the servers' certificates"),
    cert: path("The file of the certificate that the gateway shows"),
    key: path("The file of that certificate's key"),
    serverName: z
      .string()
      .min(1)
      .optional()
      .describe("The name in the servers' certificates, where it is not the host."),
  })
  .refine((words) => (words.cert === undefined) === (words.key === undefined), "expected cert and key together")
  .describe(
    "TLS to the servers; with it a bare host:port is reached by TLS. Its files are read again when they change.",
  );

const timeouts = z
  .strictObject({
    connect: every("2s").describe("Until a connection stands, TLS and all."),
    headers: every("5m").describe(
      "From the request sent to the first of the answer; a call's own deadline is mostly nearer.",
    ),
    body: every("60s").describe("Between two pieces of an answer."),
  })
  .prefault({})
  .describe("What one endpoint may take its time for.");

const limits = z
  .strictObject({
    answer: bytes().prefault("64MiB").describe("The largest answer, inflated."),
    inFlight: z
      .int()
      .min(1)
      .max(65_536)
      .default(256)
      .describe(
        "Calls at once to one endpoint, whatever its limit; more are refused at once, or wait where limit has a queue.",
      ),
  })
  .prefault({})
  .describe("What one endpoint may be asked for.");

const LIMIT_EXPECTED = "a number of calls, or adaptive";

const limit = z
  .strictObject({
    concurrency: z
      .union([z.int().min(1).max(65_536), z.literal("adaptive")], {
        error: ({ input }) => `expected ${LIMIT_EXPECTED}, got ${show(input)}`,
      })
      .describe("Calls at once to one endpoint; adaptive finds out what it can take from how its latency moves."),
    queue: z
      .int()
      .min(0)
      .max(10_000)
      .default(256)
      .describe("Calls that wait for their turn at one endpoint; beyond it they are refused."),
  })
  .describe("A limit of the calls that one endpoint has at once, with a queue before it.");

/** Headers that belong to one connection or to one body: they are never passed on. Source: RFC 9110, 7.6.1 and 8. */
const OWN_HEADERS = [
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "inference-header-content-length",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

const HEADER_EXPECTED = "the name of a header such as x-user-id";

const headerName = () =>
  word(HEADER_EXPECTED, (text) => {
    const name = text.toLowerCase();
    if (!/^[!#$%&'*+.^`|~\w-]+$/.test(name)) return { expected: HEADER_EXPECTED };
    if (OWN_HEADERS.includes(name)) return { expected: "a header that does not belong to the connection or the body" };
    return { value: name };
  });

const headerValue = () =>
  z
    .string()
    .regex(/^[\t\x20-\x7e\x80-\xff]*$/, "expected text without control characters")
    .describe("Its value; a secret is best a reference to the environment.");

function keyMistake(issue: z.core.$ZodRawIssue): string | undefined {
  return issue.code === "invalid_key" ? issue.issues[0]?.message : undefined;
}

const headers = z
  .strictObject({
    send: z
      .record(headerName(), headerValue(), { error: (issue) => keyMistake(issue) })
      .default({})
      .describe("Sent with every request, such as authorization."),
    pass: z
      .array(headerName())
      .default([])
      .describe("Headers of the caller that the servers get too; none by default."),
    back: z.array(headerName()).default([]).describe("Headers of the servers' answers that the caller gets too."),
    deadline: headerName()
      .optional()
      .describe("The header that tells the servers how many milliseconds are left, such as x-request-timeout-ms."),
  })
  .prefault({})
  .describe("Which headers go to the servers and come back.");

/** The words of one model that every kind has. */
export const sharedModelWords = {
  signature: signatureWord.optional(),
  batchDim: z
    .boolean()
    .optional()
    .describe("Whether the first dimension of its tensors counts rows, where the server does not say it right."),
} as const;

/** What every kind's options hold beside its own words and `models`. */
export const sharedWords = {
  endpoints,
  health,
  tls: tls.optional(),
  timeouts,
  limits,
  limit: limit.optional(),
  warmUp: warmUpWord.optional(),
  headers,
} as const;

const shared = z.strictObject({
  ...sharedWords,
  endpoints: endpoints.optional(),
  models: z.record(z.string(), z.strictObject(sharedModelWords)),
});

/** The words as they are read. Endpoints are absent only for a kind that knows them by itself. */
export type SharedWords = z.output<typeof shared>;
/** What the config says of one model in the words that every kind has. */
export type SharedModelWords = SharedWords["models"][string];
export type EndpointsWord = z.output<typeof endpoints>;
export type LimitWords = NonNullable<SharedWords["limit"]>;
export type HealthWords = SharedWords["health"];
export type HeaderWords = SharedWords["headers"];
export type TlsWords = NonNullable<SharedWords["tls"]>;
