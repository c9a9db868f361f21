// What tells one caller from another where requests are counted.

import { createHash } from "node:crypto";
import type { Call } from "../../core/call.ts";
import type { By } from "./words.ts";

/** The caller that the call's request counts for; those that say nothing of themselves are one. */
export function callerOf(call: Call, by: By): string {
  if (by === "model") return "";
  if (by === "tenant") return call.tenant ?? "";
  if (by === "peer") return networkOf(call.peer);
  return call.headers.get(by.header) ?? "";
}

/** A caller's name in a store that others can read: no key and no address stands in it. */
export function nameInStore(caller: string): string {
  return caller === "" ? "" : createHash("sha256").update(caller).digest("base64url").slice(0, 22);
}

/** What a message and a metric call the callers: `tenant`, `x-api-key`. */
export function kindOf(by: By): string {
  return typeof by === "string" ? by : by.header;
}

/**
 * An address of IPv4 as it is, and of IPv6 the network of 64 bits that it is in: whoever has one address of that has all.
 * Source: RFC 6177, 2.
 */
export function networkOf(peer: string): string {
  const address = peer.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === "" ? [] : tail.split(":");
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => "0");
  const groups = [...before, ...zeros, ...after].slice(0, 4);
  return `${groups.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
