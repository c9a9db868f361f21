// Stores of several replicas at one real server, closed with the test that opened them.

import { expect, vi } from "vitest";
import type { Event } from "../../../core/event.ts";
import { systemEnv } from "../../../gateway/env.ts";
import { openLog } from "../../../gateway/log.ts";
import { openStore, type Store } from "../../../gateway/store.ts";
import { startValkey, type ValkeyServer } from "../../support/valkey-server.ts";

/** What they share. */
export const secret = "a secret that all replicas share";
/** Longer than a busy machine takes, so that only what is meant to be late is late. */
export const PATIENT_MS = 5_000;

/** A store as one replica has it, and what it said. */
export interface Replica extends Store {
  readonly events: readonly Event[];
}

/** What the test that runs has opened. */
export const closing: (() => Promise<void>)[] = [];

/** After each test. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

/** Ended with the test. */
export async function server(settings: readonly string[] = []): Promise<ValkeyServer> {
  const started = await startValkey(settings);
  closing.push(async () => {
    started.resume();
    await started.kill();
  });
  return started;
}

/** The process's own, and what is said in it. */
export function environment() {
  const events: Event[] = [];
  const env = systemEnv({ log: openLog({ level: "silent", pretty: false }), emit: (event) => events.push(event) });
  return { env, events };
}

/** Connected, and hearing of purges. */
export async function replica(
  at: ValkeyServer,
  words: { timeoutMs?: number; maxValueBytes?: number } = {},
): Promise<Replica> {
  const { timeoutMs = PATIENT_MS, maxValueBytes = 1024 * 1024 } = words;
  const { env, events } = environment();
  const store = openStore({ valkey: at.url, secret, timeoutMs, prefix: "test", maxValueBytes }, env);
  closing.push(store.close);
  await vi.waitFor(() => expect(store.counts.available()).toBe(true), { timeout: 10_000 });
  return { ...store, events };
}
