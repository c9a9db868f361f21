// The small words of the gateway's own config: shares, addresses, names of headers.

import { isIP, isIPv6 } from "node:net";
import { type ZodType, z } from "zod";
import { BYTES_EXPECTED, parseBytes } from "../core/units.ts";
import { duration, word } from "../core/words.ts";
import type { Address, InFlight, Network } from "./config.ts";

/** A share of the memory such as `25%`, or a size. */
export function inFlight(): ZodType<InFlight, string> {
  const expected = `a share of the memory such as 25%, or ${BYTES_EXPECTED}`;
  return word<InFlight>(expected, (text) => {
    const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
    if (percent !== undefined) {
      const fraction = Number(percent) / 100;
      return fraction > 0 && fraction <= 1 ? { value: { fraction } } : { expected: "a share above 0% and up to 100%" };
    }
    const size = parseBytes(text);
    return size === undefined || size === 0 ? { expected } : { value: { bytes: size } };
  });
}

const ADDRESS_EXPECTED = "host:port such as 127.0.0.1:8000 or [::1]:8000";

/** An address to listen on. */
export function address(): ZodType<Address, string> {
  return word(ADDRESS_EXPECTED, (text) => {
    const parsed = parseAddress(text);
    return parsed === undefined ? { expected: ADDRESS_EXPECTED } : { value: parsed };
  });
}

/** `127.0.0.1:8000`, `localhost:0` or `[::1]:8000`; undefined for anything else. IPv6 stands in brackets, the answer's host does not. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]+)\]|([A-Za-z0-9][A-Za-z0-9.-]*)):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (v6 !== undefined) return isIPv6(v6) ? { host: v6, port } : undefined;
  return name === undefined ? undefined : { host: name, port };
}

/** The address as a person writes it. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The name of an HTTP header, in lower case. Source: RFC 9110, 5.6.2 (token). */
export function headerName(): ZodType<string, string> {
  const expected = "the name of a header such as x-tenant";
  return word(expected, (text) => (/^[!#$%&'*+.^`|~\w-]+$/.test(text) ? { value: text.toLowerCase() } : { expected }));
}

const NETWORK_EXPECTED = "an address or a network such as 127.0.0.1 or 10.0.0.0/8";

function network(): ZodType<Network, string> {
  return word<Network>(NETWORK_EXPECTED, (text) => {
    const [, address = "", digits] = /^([^/]+?)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    const prefix = digits === undefined ? most : Number(digits);
    if (family === 0 || prefix > most) return { expected: NETWORK_EXPECTED };
    return { value: { address, prefix, family: family === 6 ? "ipv6" : "ipv4" } };
  });
}

/** Who may force a variant and see the way of a request. */
export const testersWord = z
  .strictObject({
    peers: z.array(network()).default([]).describe("Their addresses; behind a proxy every client has the proxy's."),
    tenants: z.array(z.string().min(1)).default([]).describe("Their tenants."),
  })
  .describe(
    "Who may force a variant by a header and ask with sluice-explain: 1 for the way of a request; nobody by default.",
  );

/** What operators need to change the config while the gateway runs. */
export const adminWord = z
  .strictObject({
    token: z
      .string()
      .min(16, { error: "expected a token of at least 16 signs" })
      .optional()
      .describe("What operators send as authorization: Bearer TOKEN; off loopback the admin listener needs one."),
    history: z
      .string()
      .min(1)
      .optional()
      .describe("The file in which the last 50 configs and the overrides outlive a restart; memory without it."),
  })
  .describe("The admin listener beyond /metrics, /livez and /readyz, which never ask for a token.");

const MAX_QUEUE = 1_000_000;

/** Where the records of exposures go. */
export const exposuresWord = z
  .strictObject({
    to: z
      .union([
        z.literal("stdout"),
        z.strictObject({ file: z.string().min(1).describe("A file to which lines of JSON are added.") }),
        z.strictObject({
          webhook: z
            .url({ protocol: /^https?$/, error: "expected the URL of a webhook" })
            .describe("A URL to which batches are posted."),
        }),
      ])
      .describe("stdout, {file: exposures.jsonl}, or {webhook: URL}, which gets a batch of records a request."),
    every: duration().prefault("1s").describe("How long a record waits at most for others to go with it."),
    batch: z.int().min(1).max(10_000).default(500).describe("Records that go together at most."),
    queue: z
      .int()
      .min(1)
      .max(MAX_QUEUE)
      .default(10_000)
      .describe("Records that wait at most; more are dropped and counted."),
  })
  .describe("Where a record of each unit's first sight in a variant of an experiment goes; nowhere by default.");
