// Figure o: one of two endpoints is killed under load: how many requests fail?

import type { Effort, Figure, Finding } from "../figure.ts";
import { statusesOf, summaryOf } from "../open-facts.ts";
import {
  coreCells,
  type Seen,
  type SlottedModel,
  sendOpen,
  startFront,
  startSlotted,
  timedAsk,
  type Way,
  wayOf,
} from "../open-place.ts";
import { haproxyPeer, nginxPeer, type Peer, withPeers } from "../peers.ts";
import { CLIENT_CORE, type Program, type Starter, withPrograms } from "../programs.ts";

const PER_SECOND = 1000;
const ENDPOINT = { slots: 64, delayMs: 5 };
const WARM_MS = 2000;
/** The endpoint dies a third into it. */
const SPAN_MS = 6000;
const DEADLINE_MS = 5000;
const SEED = 17;
/** The most rounds, so that the whole takes about two minutes and a half. */
const ROUNDS = 3;

const MODELS: Readonly<Record<string, SlottedModel>> = {
  usual: {},
  lone: { backend: { retry: false } },
};

interface Arm {
  readonly name: string;
  /** Of the gateway; or who else stands before the endpoints. */
  readonly by: string | Peer;
}

const ARMS: readonly Arm[] = [
  { name: "gateway", by: "usual" },
  { name: "gateway, retry: false", by: "lone" },
  ...[
    nginxPeer("nginx", {}),
    nginxPeer("nginx, non_idempotent", { server: "proxy_next_upstream error timeout non_idempotent;" }),
    haproxyPeer("HAProxy", { backend: ["balance roundrobin"], server: "check inter 1s" }),
    haproxyPeer("HAProxy, all-retryable-errors", {
      backend: ["balance roundrobin", "option redispatch 1", "retry-on all-retryable-errors"],
      server: "check inter 1s",
    }),
  ].map((peer): Arm => ({ name: peer.name, by: peer })),
];

export const killed: Figure = {
  letter: "o",
  name: "killed",
  question: "One of two endpoints is killed at 1,000 requests a second: how many requests fail?",
  async measure(effort, say) {
    const seen = new Map(ARMS.map(({ name }) => [name, [] as Seen[]]));
    const rounds = Math.min(effort.rounds, ROUNDS);
    for (let round = 0; round < rounds; round += 1) {
      say(`round ${round + 1} of ${rounds}`);
      for (const arm of ARMS) {
        const one = await withPrograms((start) =>
          measureArm(start, { arm, say: round === 0 ? say : () => {} }, effort),
        );
        if (one !== undefined) seen.get(arm.name)?.push(one);
      }
    }
    return [findingOf([...seen].filter(([, all]) => all.length > 0))];
  },
};

/** Everything anew for each measurement: nobody knows beforehand who dies. Undefined where the peer is not installed. */
async function measureArm(
  start: Starter,
  { arm, say }: { readonly arm: Arm; say(line: string): void },
  effort: Effort,
): Promise<Seen | undefined> {
  const stubs = [await startSlotted(start, [ENDPOINT]), await startSlotted(start, [ENDPOINT])];
  const ports = (await Promise.all(stubs.map((stub) => stub.ask<readonly number[]>("ports")))).flat();
  const client = await start("programs/client.ts", { core: CLIENT_CORE });
  const send = (way: Way, model?: string) => killUnderLoad({ stubs, client, way, model }, effort);
  const { name, by } = arm;
  if (typeof by === "string") return send(wayOf(name, await startFront(start, ports, MODELS)), by);
  return withPeers({ peers: [by], endpoints: ports, say }, async ([peer]) =>
    peer === undefined ? undefined : send(peer),
  );
}

interface Scene {
  readonly stubs: readonly Program[];
  readonly client: Program;
  readonly way: Way;
  readonly model: string | undefined;
}

async function killUnderLoad({ stubs, client, way, model }: Scene, { scale }: Effort): Promise<Seen> {
  const [warmMs, spanMs] = [WARM_MS * scale, SPAN_MS * scale];
  const asks = [timedAsk(DEADLINE_MS, model)];
  const sides = { client, stubs };
  await sendOpen(sides, way, { seed: SEED, phases: [{ forMs: warmMs, perSecond: PER_SECOND, asks }] });
  const [, dying] = stubs;
  const timer = setTimeout(() => void dying?.ask("die").catch(() => {}), spanMs / 3);
  try {
    return await sendOpen(sides, way, { seed: SEED, phases: [{ forMs: spanMs, perSecond: PER_SECOND, asks }] });
  } finally {
    clearTimeout(timer);
  }
}

function findingOf(arms: readonly (readonly [name: string, seen: readonly Seen[]])[]): Finding {
  const rows = arms.map(([name, seen]) => {
    const all = seen.map(({ facts }) => summaryOf(facts, { fromMs: 0, toMs: Number.POSITIVE_INFINITY }));
    const sum = (key: "sent" | "answered") => all.reduce((total, one) => total + one[key], 0);
    const last = seen.at(-1);
    return {
      name,
      cells: {
        requests: sum("sent"),
        failed: sum("sent") - sum("answered"),
        "p99 ms": Math.max(...all.map(({ p99Ms }) => p99Ms)),
        ...(last === undefined ? {} : coreCells(last.cores)),
      },
    };
  });
  const usual = arms.find(([name]) => name === "gateway")?.[1] ?? [];
  const isVoid = usual.some((one) => one.void !== undefined);
  return {
    title: `two endpoints of ${ENDPOINT.delayMs} ms, one killed by SIGKILL`,
    rows,
    goals: isVoid ? [] : [{ what: "failed requests", want: { atMost: 0 }, got: rows[0]?.cells.failed ?? 0 }],
    notes: [
      "everything is started anew for each round of each arm; p99 is that of the worst round, the cores those of the last",
      "HAProxy checks its servers every second, the gateway every five; nginx's free edition does not",
      ...arms.flatMap(([name, seen]) =>
        seen.flatMap((one) => [one.void ?? [], `${name}: ${statusesOf(one.facts)}`].flat()),
      ),
    ],
  };
}
