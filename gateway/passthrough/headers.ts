// Which headers pass between a client and a server that is passed through: none that say who somebody is, unless the config names them.

import type { PassthroughConfig } from "../../config/config.ts";

/** Headers as Node has them, names in lower case. */
export type HeaderBag = Readonly<Record<string, string | string[] | undefined>>;

/** What a server needs to answer, and nothing about who asks. */
const TO_SERVER = new Set([
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "cache-control",
  "content-encoding",
  "content-language",
  "content-length",
  "content-type",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-event-id",
  "pragma",
  "range",
  "tracestate",
  "user-agent",
  "x-requested-with",
]);

/** What a server says to keep a client's identity, or to ask for it. Source: RFC 9110, 11; RFC 6265. */
const NOT_TO_CLIENT = [
  "authentication-info",
  "authorization",
  "cookie",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "set-cookie",
  "www-authenticate",
  "x-amz-security-token",
  "x-api-key",
];

/** The headers that the server gets: what it needs, what the config forwards, and the gateway's own. */
export function requestHeaders(
  given: HeaderBag,
  { forward, set }: PassthroughConfig["request"],
): Record<string, string | string[]> {
  const passed = Object.entries(given).flatMap(([name, value]) =>
    value !== undefined && (TO_SERVER.has(name) || forward.includes(name)) ? [[name, value] as const] : [],
  );
  const own = Object.entries(set).map(([name, value]) => [name.toLowerCase(), value] as const);
  return Object.fromEntries([...passed, ...own]);
}

/** Where a server's own address stands in an answer. */
export interface Place {
  /** The path at the gateway. */
  readonly prefix: string;
  /** What it stands for at the server. */
  readonly target: URL;
  /** What the server is called, and calls itself, in place of the target's host. */
  readonly host: string;
}

/** The headers that the client gets; a redirect within the server leads back through the gateway. */
export function responseHeaders(
  given: HeaderBag,
  { forward, remove }: PassthroughConfig["response"],
  place: Place,
): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      if (value === undefined || remove.includes(name)) return [];
      if (NOT_TO_CLIENT.includes(name) && !forward.includes(name)) return [];
      const isPlace = (name === "location" || name === "content-location") && typeof value === "string";
      return [[name, isPlace ? here(value, place) : value]];
    }),
  );
}

// An absolute address of the server as a path of the gateway: it would tell where the server is, and lead past the gateway.
function here(location: string, { prefix, target, host }: Place): string {
  if (!URL.canParse(location)) return location;
  const url = new URL(location);
  if (url.host !== target.host && url.host !== host) return location;
  const base = target.pathname.replace(/\/$/, "");
  const isInside = url.pathname === base || url.pathname.startsWith(`${base}/`);
  const path = isInside ? prefix + url.pathname.slice(base.length) : url.pathname;
  return `${path}${url.search}${url.hash}`;
}
