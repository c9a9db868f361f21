// The small words of the gateway's own config: shares, addresses, names of headers.

import { isIPv6 } from "node:net";
import type { ZodType } from "zod";
import { BYTES_EXPECTED, parseBytes } from "../core/units.ts";
import { word } from "../core/words.ts";
import type { Address, InFlight } from "./config.ts";

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
