// Figure k: what a hit of the cache costs through the whole gateway, beside servers that give the bytes back at once.

import type { Effort, Figure, Finding, Goal, Row } from "../figure.ts";
import { type Arm, compare } from "../harness.ts";
import { type Body, binaryBody, post } from "../http-bytes.ts";
import { KEPT_MODEL, type KeptCounts, type KeptSetup, type LookUp } from "../kept.ts";
import type { Asked, LoadFacts } from "../load.ts";
import { hasNginx } from "../nginx.ts";
import { MOST_KEY_BYTES, startCachingNginx } from "../nginx-cache.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, type Starter, withPrograms } from "../programs.ts";
import { normalFloats, randomFrom } from "../random.ts";
import { spread } from "../stats.ts";

interface Size {
  readonly name: string;
  /** Of FP32, in one row. */
  readonly floats: number;
  readonly callers: number;
}

/** 41 floats behind their head are a body of about 300 bytes; the others are a picture of 224 x 224 in three colours. */
const SIZES: readonly Size[] = [
  { name: "300 B", floats: 41, callers: 16 },
  { name: "602 KB", floats: 3 * 224 * 224, callers: 4 },
];
const WARM_MS = 5000;
const SPAN = { warmMs: 200, measureMs: 900 };
const LOOK_MS = 500;
/** Of a bare fastify handler's hits. */
const WANTED = 0.8;

export const hits: Figure = {
  letter: "k",
  name: "hits",
  question: "What share of a bare handler's speed has a hit of the cache, over the whole gateway?",
  measure(effort, say) {
    return withPrograms(async (start) => {
      const bare = await start("programs/echo.ts", { core: SERVER_CORE });
      const origin = await bare.ask<number>("port");
      const bodies = SIZES.map(bodyOf);
      const nginx = hasNginx()
        ? await startCachingNginx(
            origin,
            bodies.map(({ bytes }) => bytes.byteLength),
          )
        : undefined;
      if (nginx === undefined) say("nginx is not installed: without it");
      try {
        const servers = await openServers(start, origin);
        const client = await start("programs/client.ts", { core: CLIENT_CORE });
        const findings: Finding[] = [];
        for (const [i, size] of SIZES.entries()) {
          say(`hits of ${size.name}`);
          const port = nginx?.ports[i];
          const all = port === undefined ? servers : [...servers, { name: nginxName(bodies[i]), port }];
          findings.push(await measureSize({ client, servers: all, size, body: bodies[i] as Body }, effort));
        }
        say("look-ups");
        return [...findings, await measureLookUps(start, effort)];
      } finally {
        await nginx?.stop();
      }
    });
  },
};

function bodyOf({ floats }: Size): Body {
  return binaryBody({ name: "x", shape: [1, floats], values: normalFloats(floats, randomFrom(602)) });
}

function nginxName(body: Body | undefined): string {
  return (body?.bytes.byteLength ?? 0) <= MOST_KEY_BYTES
    ? "nginx, key over the body"
    : "nginx, key over the body's length";
}

interface Server {
  readonly name: string;
  readonly port: number;
  /** The gateway's process, which counts. */
  readonly gateway?: Program;
}

/** The peer first. */
async function openServers(start: Starter, origin: number): Promise<readonly Server[]> {
  const http = await start("programs/echo-http.ts", { core: SERVER_CORE });
  const gateway = async (name: string, log: KeptSetup["log"]): Promise<Server> => {
    const input: KeptSetup = { log };
    const program = await start("programs/kept.ts", { core: SERVER_CORE, input, mute: true });
    return { name, port: await program.ask<number>("port"), gateway: program };
  };
  return [
    { name: "bare fastify", port: origin },
    { name: "bare node:http", port: await http.ask<number>("port") },
    await gateway("gateway, a hit", "info"),
    await gateway("gateway, a hit, without its log", "silent"),
  ];
}

interface Case {
  readonly client: Program;
  readonly servers: readonly Server[];
  readonly size: Size;
  readonly body: Body;
}

async function measureSize({ client, servers, size, body }: Case, effort: Effort): Promise<Finding> {
  const requests = [post(`/v2/models/${KEPT_MODEL}/infer`, body)];
  const load = (port: number, span: typeof SPAN) =>
    client.ask<LoadFacts>("load", { port, requests, connections: size.callers, ...span });
  for (const { name, port } of servers) {
    const [asked] = await client.ask<readonly Asked[]>("ask", { port, requests });
    checkAnswer(name, body, asked);
    await load(port, { warmMs: 0, measureMs: WARM_MS * effort.scale });
  }
  const before = await misses(servers);
  const seen = servers.map(() => [] as LoadFacts[]);
  const [peer, ...others] = servers.map(
    ({ name, port }, i): Arm => ({
      name,
      async measure() {
        const facts = await load(port, {
          warmMs: SPAN.warmMs * effort.scale,
          measureMs: SPAN.measureMs * effort.scale,
        });
        seen[i]?.push(facts);
        return facts.perSecond;
      },
    }),
  );
  if (peer === undefined) throw new Error("expected a server, got none");
  const title = `a body of ${size.name} and as much back, ${size.callers} callers`;
  const comparison = await compare({ title, unit: "requests/s", rounds: effort.rounds, arms: [peer, ...others] });
  const missed = (await misses(servers)) - before;
  if (missed !== 0) throw new Error(`expected hits alone, got ${missed} requests that were none`);
  const median = (i: number, key: "p50Ms" | "p99Ms" | "clientCpu") =>
    spread((seen[i] ?? []).map((facts) => facts[key])).median;
  const goals = comparison.arms.flatMap(({ name, ratio }, i): readonly Goal[] =>
    servers[i]?.gateway === undefined || ratio === undefined
      ? []
      : [{ what: `${size.name}: ${name}, share of bare fastify`, want: { atLeast: WANTED }, got: ratio.median }],
  );
  return {
    title,
    comparison,
    rows: servers.map(({ name }, i) => ({
      name,
      cells: {
        "p50 ms": median(i, "p50Ms"),
        "p99 ms": median(i, "p99Ms"),
        "client's CPU, share of a core": median(i, "clientCpu"),
      },
    })),
    // with its log, as it is in use
    goals: goals.slice(0, 1),
    notes: [
      `${body.bytes.byteLength} bytes a request; every answer had its tensor, and the gateway counted hits alone`,
      "nginx's key is an MD5 over path, header length and body up to 64 KiB, and over path and lengths beyond, where it would give any picture's answer to any other; it has no second digest, and knows no model, version, artifact, tenant, datatype or other form of the same tensor",
    ],
  };
}

/** Requests that were not answered from the cache. */
async function misses(servers: readonly Server[]): Promise<number> {
  let sum = 0;
  for (const { gateway } of servers) {
    if (gateway === undefined) continue;
    const { states } = await gateway.ask<KeptCounts>("counts", KEPT_MODEL);
    for (const [state, count] of Object.entries(states)) if (state !== "hit") sum += count;
  }
  return sum;
}

/** All of them answer with the tensor that was sent, as a blob behind a head. */
function checkAnswer(name: string, { bytes, headers }: Body, asked: Asked | undefined): void {
  const sent = bytes.subarray(Number(headers["inference-header-content-length"]));
  const got = asked?.body.subarray(-sent.byteLength) ?? new Uint8Array(0);
  if (Buffer.compare(sent, got) !== 0) throw new Error(`${name}: expected the tensor that was sent, got another`);
}

async function measureLookUps(start: Starter, { scale }: Effort): Promise<Finding> {
  const program = await start("programs/look-up.ts", { core: SERVER_CORE });
  const rows: Row[] = [];
  for (const { name, floats } of SIZES) {
    const { digestUs, findUs, bothUs, repeatUs } = await program.ask<LookUp>("measure", {
      floats,
      ms: LOOK_MS * scale,
    });
    rows.push({
      name,
      cells: { "digest us": digestUs, "find us": findUs, "both us": bothUs, "of a repeat us": repeatUs },
    });
  }
  return {
    title: "a look-up in memory, without what stands around it",
    rows,
    goals: [],
    notes: [
      "digest: both digests of the tensors and the key; find: the entry found, its head and second digest compared",
    ],
  };
}
