// Where a server is: addresses as people write them in a config.

import { isIPv6 } from "node:net";
import type { ZodType } from "zod";
import { word } from "../../core/words.ts";

/** The parts of an address. */
export interface ServerAddress {
  /** What was written, or undefined for a bare host:port. */
  readonly scheme: "http" | "https" | undefined;
  /** Without brackets, where it is an IPv6 address. */
  readonly host: string;
  readonly port: number;
  /** What stands before every path: empty, or `/a/b` without a slash at its end. */
  readonly prefix: string;
}

const EXPECTED = "host:port such as triton-0:8001, or a URL such as http://triton-0:8000/prefix";
const FORM =
  /^(?:(https?):\/\/)?(?:\[([^\]]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_.])?))(?::(\d{1,5}))?(\/[^?#\s]*)?$/i;
const PORTS = { http: 80, https: 443 } as const;

/** The address of a server; a bare host needs its port, a URL has one by its scheme. */
export function serverAddress(): ZodType<ServerAddress, string> {
  return word(EXPECTED, (text) => {
    if (/^[a-z]+:\/\/[^/]*@/i.test(text)) {
      return { expected: "an address without a user name: credentials stand in headers.send" };
    }
    const value = parseServerAddress(text);
    return value === undefined ? { expected: EXPECTED } : { value };
  });
}

/** The address that the text says; undefined for anything else. */
export function parseServerAddress(text: string): ServerAddress | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, word, v6, name, digits, path = ""] = match;
  const scheme = word?.toLowerCase() as ServerAddress["scheme"];
  if (v6 !== undefined && !isIPv6(v6)) return undefined;
  if (scheme === undefined && (digits === undefined || path !== "")) return undefined;
  const port = digits === undefined ? PORTS[scheme ?? "http"] : Number(digits);
  if (port === 0 || port > 65_535) return undefined;
  return { scheme, host: v6 ?? name ?? "", port, prefix: path.replace(/\/+$/, "") };
}

/** `host:port` and the prefix: the same server has the same text. */
export function formatServerAddress({ host, port, prefix }: ServerAddress): string {
  return `${bracketed(host)}:${port}${prefix}`;
}

/** The URL to reach it by. A bare address is plain HTTP, unless TLS is configured. */
export function urlOf(address: ServerAddress, options: { readonly tls: boolean }): URL {
  const scheme = address.scheme ?? (options.tls ? "https" : "http");
  return new URL(`${scheme}://${formatServerAddress(address)}`);
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
