// Endpoints of known capacity with the gateway and its peers before them, and an open-loop client that asks each in turn.

import { EXTERNAL_ROWS } from "../test/contract/external-rows.ts";
import { type CoreUse, SATURATED, watchCore } from "./cpu.ts";
import type { FrontPorts, FrontSetup } from "./front.ts";
import { askFor } from "./front-ask.ts";
import type { OpenFacts, OpenLoad, TimedAsk } from "./open-load.ts";
import { CLIENT_CORE, type Program, SERVER_CORE, type Starter } from "./programs.ts";
import { stubOf } from "./replays.ts";
import type { SlottedEndpoint, SlottedSetup } from "./slots.ts";

/** What asks and answers are made of: the first of the recorded kinds, Triton over HTTP. */
function recorded() {
  const [row] = EXTERNAL_ROWS;
  if (row === undefined) throw new Error("expected a kind of server, got none");
  return row;
}

export function startSlotted(start: Starter, endpoints: readonly SlottedEndpoint[]): Promise<Program> {
  const { answers, asks, usual } = stubOf(recorded());
  return start("programs/slotted.ts", {
    core: CLIENT_CORE,
    input: { endpoints, answers, asks, usual } satisfies SlottedSetup,
  });
}

/** A model of the gateway by the words of its own and of its backend. */
export interface SlottedModel {
  readonly model?: object;
  /** May name `endpoints` of its own, such as with weights. */
  readonly backend?: object;
}

export interface Front {
  readonly program: Program;
  readonly port: number;
}

/** The gateway with a backend for each model, all of them before the same ports. */
export async function startFront(
  start: Starter,
  ports: readonly number[],
  models: Readonly<Record<string, SlottedModel>>,
): Promise<Front> {
  const { kind, model: modelThere } = recorded();
  const endpoints = ports.map((port) => `127.0.0.1:${port}`);
  const setup: FrontSetup = {
    log: "info",
    backends: Object.fromEntries(
      Object.entries(models).map(([name, { backend }]) => [name, { kind, endpoints, ...backend }]),
    ),
    models: Object.fromEntries(
      Object.entries(models).map(([name, { model }]) => [name, { backend: name, model: modelThere, ...model }]),
    ),
  };
  const program = await start("programs/front.ts", { core: SERVER_CORE, input: setup, mute: true });
  const { http } = await program.ask<FrontPorts>("ports");
  return { program, port: http };
}

/** One request with its deadline told in a header. @param model of the gateway; the endpoints' own name where nothing is said */
export function timedAsk(deadlineMs: number, model?: string): TimedAsk {
  const { inputs, model: there } = recorded();
  const headers = { "x-request-timeout-ms": String(deadlineMs) };
  return { bytes: askFor({ model: model ?? there, inputs, over: "http", headers }).bytes, deadlineMs };
}

/** Whom a load is sent through. */
export interface Way {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

export function wayOf(name: string, { port, program: { pid } }: Front): Way {
  return { name, port, pid };
}

export interface Sides {
  readonly client: Program;
  readonly stubs: readonly Program[];
}

export interface Cores {
  readonly gateway: CoreUse;
  /** Of the client and the endpoints, which share one. */
  readonly client: CoreUse;
}

/** The cells of a row that say what was used. */
export function coreCells({ gateway, client }: Cores): Readonly<Record<string, number>> {
  return { "its CPU": gateway.own, "its core": gateway.busy, "client's core": client.busy };
}

export interface Seen {
  readonly facts: OpenFacts;
  readonly cores: Cores;
  /** Why the numbers do not count; absent where they do. */
  readonly void?: string;
}

/** How often and how long to look whether the endpoints have done what was asked of them, in milliseconds. */
const LOOK_MS = 20;
const IDLE_MS = 10_000;

export async function sendOpen({ client, stubs }: Sides, way: Way, load: Omit<OpenLoad, "port">): Promise<Seen> {
  const gateway = watchCore(SERVER_CORE, [way.pid]);
  const other = watchCore(CLIENT_CORE, [client.pid, ...stubs.map(({ pid }) => pid)]);
  const facts = await client.ask<OpenFacts>("openLoad", { ...load, port: way.port });
  const cores: Cores = { gateway: gateway(), client: other() };
  const why = whyVoid(way, cores);
  return { facts, cores, ...(why === undefined ? {} : { void: why }) };
}

function whyVoid({ name }: Way, cores: Cores): string | undefined {
  const full = (["gateway", "client"] as const).find((side) => cores[side].busy >= SATURATED);
  if (full === undefined) return undefined;
  const whose = full === "gateway" ? "its" : "the client's";
  return `${name}: void, ${whose} core was busy to ${percent(cores[full].busy)} (${percent(cores[full].own)} by itself)`;
}

/** Nothing of one arm may be left when the next one begins. */
export async function untilIdle(stubs: readonly Program[]): Promise<void> {
  const giveUpAt = performance.now() + IDLE_MS;
  for (;;) {
    const idle = await Promise.all(stubs.map((stub) => stub.ask<boolean>("isIdle")));
    if (idle.every(Boolean)) return;
    if (performance.now() > giveUpAt) throw new Error(`expected idle endpoints after ${IDLE_MS} ms, got busy ones`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
