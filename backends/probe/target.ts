// What a person names to be probed: a URL, and what must be sent along.

import { formatServerAddress, parseServerAddress, urlOf } from "../external/addresses.ts";

/** A server as it was named. */
export interface ProbeTarget {
  /** `any`: a bare host:port, which is tried over HTTP and then over gRPC. */
  readonly transport: "http" | "grpc" | "any";
  readonly url: URL;
  /** The address as a config has it, for a backend that speaks HTTP, and for one that speaks gRPC. */
  readonly endpoint: { readonly http: string; readonly grpc: string };
}

/** What is expected of the text. */
export const TARGET_EXPECTED = "http://host:port, https://host:port, grpc://host:port, grpcs://host:port or host:port";

/** The server that the text names; undefined for anything else. */
export function parseTarget(text: string): ProbeTarget | undefined {
  const [, scheme, rest = ""] = /^(grpcs?):\/\/(.*)$/i.exec(text) ?? [];
  const isTls = scheme?.toLowerCase() === "grpcs";
  // a port of gRPC is never a usual one: it has to be said
  const address = parseServerAddress(scheme === undefined ? text : rest.replace(/\/$/, ""));
  if (address === undefined || (scheme !== undefined && address.scheme !== undefined)) return undefined;
  const url = urlOf({ ...address, scheme: isTls ? "https" : address.scheme }, { tls: false });
  const bare = formatServerAddress(address);
  const secure = url.protocol === "https:";
  return {
    transport: scheme !== undefined ? "grpc" : address.scheme === undefined ? "any" : "http",
    url,
    endpoint: { http: `${url.protocol}//${bare}`, grpc: secure ? `https://${bare}` : bare },
  };
}
