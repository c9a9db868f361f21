// The way that a request took, in words: the same in the log line, in explanations and in a tester's header.

import type { Call } from "../../core/call.ts";
import type { Planes } from "../../core/protocol.ts";
import type { Decision } from "../../core/trace.ts";

/** `canary next 5% bucket 312 < 500; balance gpu/triton-0:8001 of 2 (least-time: 12.1 ms, the other 14.0)`. */
export function describeDecisions(decisions: readonly Decision[]): string {
  return decisions.map(({ policy, said }) => `${policy} ${said}`).join("; ");
}

/** The request's header by which a tester asks for the way. */
const ASKED = "sluice-explain";
const WAY = "sluice-path";
const FALLBACK = "sluice-fallback";
const CACHE = "sluice-cache";
/** Of an answer that has nothing to say of its way. */
export const NO_WAY: Readonly<Record<string, string>> = {};
/** Clients and proxies refuse longer headers. */
const MAX_LENGTH = 4096;

/**
 * What an answer says of its way: that it is a fallback and what the cache did to everybody, the whole way to a tester who
 * asks for it. `age` is in whole seconds. Source: RFC 9111, 5.1.
 */
export function headersOfWay(call: Call, planes: Pick<Planes, "tester">): Readonly<Record<string, string>> {
  const { facts } = call.trace;
  const asked = call.headers.get(ASKED) === "1" && planes.tester(call);
  if (!asked && facts.fallback === undefined && facts.cache === undefined) return NO_WAY;
  return {
    ...(facts.cache === undefined ? {} : { [CACHE]: facts.cache }),
    ...(facts.ageMs === undefined ? {} : { age: String(Math.floor(facts.ageMs / 1000)) }),
    ...(facts.fallback === undefined ? {} : { [FALLBACK]: headerText(facts.fallback) }),
    ...(asked ? { [WAY]: headerText(describeDecisions(call.trace.decisions)) } : {}),
  };
}

/** Visible ASCII, as headers have to be; anything else percent-encoded. */
function headerText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/gu, (sign) => encodeURIComponent(sign.isWellFormed() ? sign : "\ufffd"))
    .slice(0, MAX_LENGTH);
}
