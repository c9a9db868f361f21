// The operator's changes of the config while the gateway runs, on the admin listener.

import type { Change, Changes, HistoryEntry, Note } from "../../core/change.ts";
import { InferError, invalid } from "../../core/error.ts";
import type { Protocol, WireRequest } from "../../core/protocol.ts";
import { changeFailed, json, refuseBrowsers } from "./operator-answer.ts";

/** A change that was refused says all its reasons; the config in force has stayed. */
export function changesProtocol(changes: Changes): Protocol {
  return {
    name: "changes",
    listener: "http",
    prefixes: ["/admin/config", "/admin/history", "/admin/rollback", "/admin/plan", "/admin/models"],
    fail: changeFailed,
    routes: [
      { method: "GET", path: "/admin/config", handle: async () => json(200, shown(changes.inForce())) },
      { method: "GET", path: "/admin/history", handle: async () => json(200, listed(changes.history())) },
      {
        method: "POST",
        path: "/admin/config",
        handle: changing((wire, note) => changes.put(textOf(wire), note)),
      },
      {
        method: "PATCH",
        path: "/admin/models/:model/route",
        handle: changing(async (wire, note) => {
          const { why, words } = patchOf(wire);
          return changes.patch(wire.params.model ?? "", words, why === undefined ? note : { ...note, why });
        }),
      },
      {
        method: "POST",
        path: "/admin/plan",
        async handle(wire) {
          try {
            const plan = await changes.plan(textOf(wire));
            return plan.ok ? json(200, plan) : json(400, { error: plan.reasons.join("\n"), reasons: plan.reasons });
          } catch (error) {
            return changeFailed(error);
          }
        },
      },
      {
        method: "POST",
        path: "/admin/rollback",
        handle: changing(async (wire, note) => changes.rollback(entryOf(wire), note)),
      },
    ],
  };
}

function changing(change: (wire: WireRequest, note: Note) => Promise<Change>): Protocol["routes"][number]["handle"] {
  return async (wire) => {
    try {
      refuseBrowsers(wire);
      const who = wire.query.get("who") ?? wire.peer;
      const done = await change(wire, { who: short(who), why: short(wire.query.get("why") ?? "") });
      if (!done.ok) return json(400, { error: done.reasons.join("\n"), reasons: done.reasons });
      return json(200, { ...summary(done.entry), warnings: done.warnings });
    } catch (error) {
      return changeFailed(error);
    }
  };
}

const MAX_NOTE = 500;

function short(text: string): string {
  return text.slice(0, MAX_NOTE);
}

function bodyOf({ body }: WireRequest): string {
  return body instanceof Uint8Array ? Buffer.from(body).toString() : "";
}

function textOf(wire: WireRequest): string {
  const text = bodyOf(wire);
  if (text.trim() === "") throw invalid("expected a config in YAML as the body, got nothing");
  return text;
}

function patchOf(wire: WireRequest): { readonly why: string | undefined; readonly words: unknown } {
  let read: unknown;
  try {
    read = JSON.parse(bodyOf(wire));
  } catch (error) {
    const text = 'expected JSON such as {"percent": 20}, got something else';
    throw new InferError("invalid-argument", text, { cause: error });
  }
  if (typeof read !== "object" || read === null || !("why" in read)) return { why: undefined, words: read };
  const { why, ...words } = read;
  if (typeof why !== "string") throw invalid("why: expected text");
  return { why: short(why), words };
}

function entryOf({ query }: WireRequest): number | undefined {
  const text = query.get("to");
  if (text === null) return undefined;
  const id = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(id)) return id;
  throw invalid(`to: expected the number of an entry of the history, got ${JSON.stringify(text)}`);
}

function summary({ id, at, who, why, how, overrides }: HistoryEntry) {
  return { id, at, who, why, how, overrides };
}

function shown(entry: HistoryEntry) {
  return { ...summary(entry), config: entry.text };
}

function listed(entries: readonly HistoryEntry[]) {
  return { entries: entries.map(summary) };
}
