// Which headers go to the servers, and which of theirs the caller gets: only those that the config names.

import type { Call } from "../../core/call.ts";
import type { AnswerHeaders } from "../connection.ts";
import type { HeaderWords } from "./words.ts";

/** The headers of a question; those of no call's when it is nobody's. Names in lower case. */
export type HeadersOf = (call: Call | undefined) => Readonly<Record<string, string>>;

/**
 * Headers of the config win over those of the caller; the trace context goes along always, and the time that is left in
 * whole milliseconds where the config names a header for it.
 */
export function headersOf({ send, pass, deadline }: HeaderWords): HeadersOf {
  return (call) => {
    if (call === undefined) return send;
    const headers: Record<string, string> = { traceparent: call.traceparent };
    for (const name of pass) {
      const value = call.headers.get(name);
      if (value !== undefined) headers[name] = value;
    }
    if (deadline !== undefined && Number.isFinite(call.deadline)) {
      headers[deadline] = `${Math.max(1, Math.ceil(call.deadline - call.clock.now()))}`;
    }
    return Object.assign(headers, send);
  };
}

/** Those headers of an answer that the config lets the caller have; undefined when there are none. */
export function headersBack({ back }: HeaderWords, answer: AnswerHeaders): ReadonlyMap<string, string> | undefined {
  const found = back.flatMap((name) => {
    const value = answer.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  return found.length === 0 ? undefined : new Map(found);
}
