// Figure d: requests a second of a small model, beside a bare fastify handler.

import type { Effort, Figure, Finding } from "../figure.ts";
import type { GatewaySetup } from "../gateway.ts";
import { type Arm, compare } from "../harness.ts";
import { binaryBody, post } from "../http-bytes.ts";
import type { LoadFacts } from "../load.ts";
import { inputFor, modelRepository, models } from "../models.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, withPrograms } from "../programs.ts";
import { quantile } from "../stats.ts";
import { warmUp } from "../warm-up.ts";

const CONNECTIONS = [1, 32];

export const requests: Figure = {
  letter: "d",
  name: "requests",
  question: "How many requests a second of a small model does the gateway answer, beside a bare fastify handler?",
  measure(effort, say) {
    const repository = modelRepository([models.small]);
    return withPrograms(async (start) => {
      const gateway = async (log: GatewaySetup["log"]) =>
        start("programs/served.ts", { core: SERVER_CORE, input: { repository, log }, mute: log !== "silent" });
      const client = await start("programs/client.ts", { core: CLIENT_CORE });
      const servers = [
        { name: "bare fastify, echo", program: await start("programs/echo.ts", { core: SERVER_CORE }) },
        { name: "gateway", program: await gateway("info") },
        { name: "gateway without its log", program: await gateway("silent") },
      ];
      say("warming up");
      for (const { program } of servers) await warmUp({ client, port: await program.ask<number>("port") }, effort);
      const findings: Finding[] = [];
      for (const connections of CONNECTIONS) {
        say(`${connections} clients`);
        findings.push(await measureCase({ connections, servers, client }, effort));
      }
      return findings;
    });
  },
};

interface Case {
  readonly connections: number;
  readonly servers: readonly { readonly name: string; readonly program: Program }[];
  readonly client: Program;
}

async function measureCase(one: Case, effort: Effort): Promise<Finding> {
  const { connections, servers, client } = one;
  const [small] = [models.small];
  const shape = [1, ...small.inputShape];
  const body = binaryBody({ name: small.input, shape, values: inputFor(small, 1, 1) });
  const sent = [post(`/v2/models/${small.name}/infer`, body)];
  const seen = servers.map(() => [] as LoadFacts[]);
  const arms: Arm[] = [];
  for (const [i, { name, program }] of servers.entries()) {
    const port = await program.ask<number>("port");
    arms.push({
      name,
      async measure() {
        const load = { port, requests: sent, connections, warmMs: 200 * effort.scale, measureMs: 900 * effort.scale };
        const facts = await client.ask<LoadFacts>("load", load);
        seen[i]?.push(facts);
        return facts.perSecond;
      },
    });
  }
  const title = `small 1x64, ${connections} ${connections === 1 ? "client" : "clients"}`;
  const [peer, ...others] = arms;
  if (peer === undefined) throw new Error("expected an arm, got none");
  const comparison = await compare({ title, unit: "requests/s", rounds: effort.rounds, arms: [peer, ...others] });
  return {
    title,
    comparison,
    rows: servers.map(({ name }, i) => ({
      name,
      cells: {
        "p50 ms": median(seen[i], "p50Ms"),
        "p99 ms": median(seen[i], "p99Ms"),
        "client's CPU, share of a core": median(seen[i], "clientCpu"),
      },
    })),
    goals: [],
    notes: [`${body.bytes.byteLength} bytes a request`],
  };
}

function median(facts: readonly LoadFacts[] | undefined, key: "p50Ms" | "p99Ms" | "clientCpu"): number {
  return quantile(
    (facts ?? []).map((one) => one[key]),
    0.5,
  );
}
