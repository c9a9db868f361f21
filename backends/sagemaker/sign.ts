// Signs requests to AWS with Signature Version 4, and the one door of the AWS SDK's signer.

import { createHash, createHmac, type Hmac, type Hash as NodeHash } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Sliced } from "../../wire/sliced.ts";

/** Who signs. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SignerOptions {
  readonly region: string;
  readonly credentials: Credentials;
  /** Milliseconds since the epoch. */
  readonly wall: () => number;
}

/** A request as it will be sent. */
export interface ToSign {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case; all of them are signed. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body, in hexadecimal digits. */
  readonly bodySha256: string;
}

/** Gives the headers to send: those that were signed and the signature's own. */
export type Signer = (request: ToSign) => Promise<Readonly<Record<string, string>>>;

/** Source: botocore, sagemaker-runtime/2017-05-13/service-2.json, signingName. */
const SERVICE = "sagemaker";

export function openSigner({ region, credentials, wall }: SignerOptions): Signer {
  const signer = new SignatureV4({ region, credentials, service: SERVICE, sha256: Sha256, applyChecksum: true });
  return async ({ method, url, headers, bodySha256 }) => {
    const signed = await signer.sign(
      {
        method,
        protocol: url.protocol,
        hostname: url.hostname,
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: { ...headers, host: url.host, "x-amz-content-sha256": bodySha256 },
      },
      { signingDate: wall() / 1000 },
    );
    // the client writes Host itself, from the same address
    const { host: _, ...others } = signed.headers;
    return Object.fromEntries(Object.entries(others).map(([name, value]) => [name.toLowerCase(), value]));
  };
}

/** A request that was signed, and by whom it says it was. */
export interface SignedRequest extends ToSign {
  /** When, in milliseconds since the epoch. */
  readonly signedAt: number;
}

/** The signature that these credentials give a request, in hexadecimal digits; exactly the headers given are signed. */
export async function signatureOf(
  request: SignedRequest,
  by: { readonly region: string; readonly key: Omit<Credentials, "sessionToken"> },
): Promise<string> {
  const { method, url, headers, bodySha256, signedAt } = request;
  const { accessKeyId, secretAccessKey } = by.key;
  // the token of temporary credentials is a header like any other here
  const credentials = { accessKeyId, secretAccessKey };
  const { region } = by;
  const signer = new SignatureV4({
    region,
    credentials,
    service: SERVICE,
    sha256: Sha256,
    applyChecksum: false,
  });
  const names = new Set(Object.keys(headers));
  const hash = "x-amz-content-sha256";
  const signed = await signer.sign(
    {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { ...headers, [hash]: bodySha256 },
    },
    {
      signingDate: new Date(signedAt),
      signableHeaders: names,
      ...(names.has(hash) ? {} : { unsignableHeaders: new Set([hash]) }),
    },
  );
  return /Signature=([0-9a-f]{64})$/.exec(signed.headers.authorization ?? "")?.[1] ?? "";
}

/** Hashed between two stops: well below a millisecond. */
const WINDOW_BYTES = 256 * 1024;

/** The SHA-256 of a body in its parts, in hexadecimal digits. */
export function* hashParts(parts: readonly Uint8Array[]): Sliced<string> {
  const hash = createHash("sha256");
  for (const part of parts) {
    for (let from = 0; from < part.byteLength; from += WINDOW_BYTES) {
      hash.update(part.subarray(from, from + WINDOW_BYTES));
      if (from + WINDOW_BYTES < part.byteLength) yield;
    }
  }
  return hash.digest("hex");
}

/** Node's own hash in the shape that the signer asks for; a class because the signer makes it with `new`. */
class Sha256 {
  readonly #secret: Parameters<typeof createHmac>[1] | undefined;
  #hash: NodeHash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined || typeof secret === "string" ? secret : bytesOf(secret);
    this.#hash = this.#open();
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(typeof data === "string" ? data : bytesOf(data));
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }

  reset(): void {
    this.#hash = this.#open();
  }

  #open(): NodeHash | Hmac {
    return this.#secret === undefined ? createHash("sha256") : createHmac("sha256", this.#secret);
  }
}

function bytesOf(data: ArrayBuffer | ArrayBufferView): Uint8Array {
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
