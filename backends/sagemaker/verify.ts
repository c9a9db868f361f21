// Checks Signature Version 4 on requests that came in: made by one of the known keys, for these bytes, just now.

import { timingSafeEqual } from "node:crypto";
import { InferError } from "../../core/error.ts";
import type { RunSliced } from "../../core/run.ts";
import type { SignedWire } from "../../core/sagemaker.ts";
import { type Credentials, hashParts, signatureOf } from "./sign.ts";

/** A key whose signatures count. */
export interface KnownKey extends Omit<Credentials, "sessionToken"> {
  /** The token that must come with it. */
  readonly sessionToken?: string | undefined;
}

/** Who may ask, and where the endpoints say they are. */
export interface VerifierOptions {
  readonly keys: readonly KnownKey[];
  /** Any region when absent. */
  readonly region?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
  readonly run: RunSliced;
}

/** How far a request's time may be from ours, in milliseconds. Source: AWS, "Signing AWS API requests". */
const MAX_SKEW_MS = 5 * 60_000;
/** Bodies up to this size are hashed at once. */
const SMALL_BYTES = 64 * 1024;
const HASH = "x-amz-content-sha256";

/** Says nothing of a request that is signed by one of the keys. @throws InferError unauthenticated for any other */
export function openVerifier(options: VerifierOptions): (wire: SignedWire) => Promise<void> {
  return async (wire) => {
    const claim = readClaim(wire);
    const signedAt = timeOf(wire, claim);
    const skew = Math.abs(options.wall() - signedAt);
    if (skew > MAX_SKEW_MS) throw refused(`signature expired: it is ${Math.round(skew / 1000)} seconds off`);
    if (options.region !== undefined && claim.region !== options.region) {
      throw refused(`expected credentials scoped to the region ${options.region}, got ${claim.region}`);
    }
    const credentials = options.keys.find(({ accessKeyId }) => accessKeyId === claim.accessKeyId);
    if (credentials === undefined) throw refused("the security token included in the request is invalid");
    checkToken(wire, credentials);
    const bodySha256 = await bodyHash(wire, options.run);
    const url = new URL(`http://${wire.headers.get("host") ?? ""}${wire.path}`);
    url.search = wire.query.toString();
    const headers = signedHeaders(wire, claim);
    const request = { method: wire.method, url, headers, bodySha256, signedAt };
    const expected = await signatureOf(request, { region: claim.region, key: credentials });
    if (!timingSafeEqual(Buffer.from(expected), Buffer.from(claim.signature))) {
      throw refused("the request signature we calculated does not match the signature you provided");
    }
  };
}

/** What the header Authorization says. */
interface Claim {
  readonly accessKeyId: string;
  readonly date: string;
  readonly region: string;
  readonly signed: readonly string[];
  readonly signature: string;
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=([\w+=,.@-]{1,128})\/(\d{8})\/([a-z0-9-]{1,64})\/sagemaker\/aws4_request *, *SignedHeaders=([a-z0-9;_-]{1,4096}) *, *Signature=([0-9a-f]{64})$/;

function readClaim({ headers }: SignedWire): Claim {
  const text = headers.get("authorization");
  if (text === undefined)
    throw refused("missing authentication token: expected a request signed with AWS4-HMAC-SHA256");
  const [, accessKeyId = "", date = "", region = "", names = "", signature = ""] = AUTHORIZATION.exec(text) ?? [];
  if (signature === "") {
    throw refused(
      "authorization: expected AWS4-HMAC-SHA256 with a Credential for sagemaker, SignedHeaders and Signature",
    );
  }
  const signed = names.split(";");
  const missing = ["host", "x-amz-date"].find((name) => !signed.includes(name));
  if (missing !== undefined) throw refused(`authorization: expected ${missing} among the signed headers`);
  const unsigned = [...headers.keys()].find((name) => name.startsWith("x-amz-") && !signed.includes(name));
  if (unsigned !== undefined) throw refused(`authorization: expected ${unsigned} among the signed headers`);
  return { accessKeyId, date, region, signed, signature };
}

function timeOf({ headers }: SignedWire, claim: Claim): number {
  const text = headers.get("x-amz-date") ?? "";
  const [, y, mo, d, h, mi, s] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  const at = Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
  if (Number.isNaN(at)) throw refused(`x-amz-date: expected a time such as 20261121T142816Z, got "${text}"`);
  if (!text.startsWith(claim.date)) throw refused("x-amz-date: expected the date of the credential's scope");
  return at;
}

function checkToken({ headers }: SignedWire, { sessionToken }: KnownKey): void {
  if (sessionToken === undefined) return;
  const given = Buffer.from(headers.get("x-amz-security-token") ?? "");
  const expected = Buffer.from(sessionToken);
  if (given.byteLength === expected.byteLength && timingSafeEqual(given, expected)) return;
  throw refused("the security token included in the request is invalid");
}

/** What is told must be what came: a proxy that changed the body is found out, too. */
async function bodyHash({ headers, body, signal }: SignedWire, run: RunSliced): Promise<string> {
  const bytes = body as Uint8Array;
  const hash = await run(hashParts([bytes]), { small: bytes.byteLength <= SMALL_BYTES, signal });
  const told = headers.get(HASH);
  if (told === undefined || told === hash) return hash;
  throw refused(`${HASH}: expected the SHA-256 of the body, got another`);
}

function signedHeaders({ headers }: SignedWire, { signed }: Claim): Readonly<Record<string, string>> {
  return Object.fromEntries(signed.map((name) => [name, headers.get(name) ?? ""]));
}

function refused(message: string): InferError {
  return new InferError("unauthenticated", message);
}
