// `sluice explain`: asks a running gateway which way a request would take, and why; nothing is sent to a model.

import { z } from "zod";
import { adminHeaders, DEFAULT_ADMIN_URL, openClient, refusal } from "./client.ts";
import { CliError, EXIT, type Io } from "./io.ts";
import { paintFor, printable } from "./paint.ts";

export interface ExplainOptions {
  readonly model: string;
  readonly header?: readonly string[];
  readonly query?: readonly string[];
  readonly parameter?: readonly string[];
  readonly input?: readonly string[];
  readonly tenant?: string;
  readonly protocol?: string;
  readonly peer?: string;
  readonly version?: string;
  readonly label?: string;
  readonly url?: string;
  readonly json?: boolean;
}

const LISTS = ["header", "query", "parameter", "input"] as const;
const PAIR = /^[^=]+=/;
const FORMS = {
  header: { of: PAIR, such: "name=value such as x-user-id=42" },
  query: { of: PAIR, such: "name=value such as user=42" },
  parameter: { of: PAIR, such: "name=value such as user=42" },
  input: { of: /^[^:]+:/, such: "name:datatype:[shape] such as x:FP32:[1,4]" },
} as const;
const PLAIN = ["tenant", "protocol", "peer", "version", "label"] as const;

const TARGET = z.object({
  backend: z.string(),
  model: z.string(),
  version: z.string().optional(),
  endpoints: z.array(z.object({ id: z.string(), available: z.boolean(), serves: z.boolean() })),
});

const DECISIONS = z.array(z.object({ policy: z.string(), said: z.string() }));

const EXPLANATION = z.object({
  model: z.string(),
  path: z.string(),
  decisions: DECISIONS,
  applies: DECISIONS,
  refused: z.object({ code: z.string(), message: z.string() }).optional(),
  version: z.string().optional(),
  targets: z.array(TARGET),
});

/** 0 when the gateway knows the way. @throws CliError with the gateway's own words otherwise */
export async function runExplain(io: Io, options: ExplainOptions): Promise<number> {
  const asked = new URLSearchParams({ model: options.model });
  for (const word of LISTS) {
    for (const value of options[word] ?? []) {
      if (!FORMS[word].of.test(value)) {
        const got = printable(JSON.stringify(value));
        throw new CliError(`--${word}: expected ${FORMS[word].such}, got ${got}`, EXIT.usage);
      }
      asked.append(word, value);
    }
  }
  for (const word of PLAIN) {
    const value = options[word];
    if (value !== undefined) asked.set(word, value);
  }
  const client = openClient(options.url ?? DEFAULT_ADMIN_URL);
  const answer = await client.ask({ path: `/admin/explain?${asked}`, headers: adminHeaders(io.env) });
  if (answer.status !== 200) throw new CliError(refusal(answer));
  const text = Buffer.from(answer.body).toString();
  io.out(options.json === true ? text : wayText(io, EXPLANATION.parse(JSON.parse(text))));
  return EXIT.ok;
}

/** One line a decision, then where it ends. */
function wayText(io: Io, way: z.output<typeof EXPLANATION>): string {
  const { bold } = paintFor(io);
  const told = [...way.decisions, ...way.applies].map(({ policy, said }) => `  ${policy} ${printable(said)}`);
  const refused =
    way.refused === undefined ? [] : [`  refused now (${way.refused.code}): ${printable(way.refused.message)}`];
  const version = way.version === undefined ? "a fixed answer" : `version ${way.version}`;
  return [
    bold(`${printable(way.model)}: ${printable(version)}`),
    ...told,
    ...refused,
    ...way.targets.map(targetText),
    "",
  ].join("\n");
}

function targetText({ backend, model, version, endpoints }: z.output<typeof TARGET>): string {
  const there = version === undefined ? model : `${model} version ${version}`;
  const able = endpoints.filter(({ available, serves }) => available && serves).length;
  return `  on ${printable(backend)}: ${printable(there)}, ${able} of ${endpoints.length} endpoints can take it`;
}
