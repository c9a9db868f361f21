// Certificates for tests, made on the spot: an authority, a server's and a client's, and an authority that nobody trusts.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certs {
  readonly ca: Buffer;
  /** For 127.0.0.1, localhost and backend.test. */
  readonly server: { readonly cert: Buffer; readonly key: Buffer };
  readonly client: { readonly cert: Buffer; readonly key: Buffer };
  /** A client's that another authority signed. */
  readonly stranger: { readonly ca: Buffer; readonly cert: Buffer; readonly key: Buffer };
}

const OPENSSL = "/usr/bin/openssl";

/** Undefined where there is no openssl to make them: the tests that need them say so. */
export function makeCerts(): Certs | undefined {
  if (!existsSync(OPENSSL)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "sluice-certs-"));
  try {
    const file = (name: string) => join(folder, name);
    const run = (...args: string[]) => execFileSync(OPENSSL, args, { stdio: "pipe" });
    const authority = (name: string) => {
      run(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        file(`${name}.key`),
        "-out",
        file(`${name}.pem`),
        "-subj",
        `/CN=${name}`,
      );
    };
    const signed = (name: string, by: string, names: string) => {
      writeFileSync(file(`${name}.ext`), `subjectAltName=${names}\n`);
      run(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        file(`${name}.key`),
        "-out",
        file(`${name}.csr`),
        "-subj",
        `/CN=${name}`,
      );
      run(
        "x509",
        "-req",
        "-in",
        file(`${name}.csr`),
        "-CA",
        file(`${by}.pem`),
        "-CAkey",
        file(`${by}.key`),
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        file(`${name}.ext`),
        "-out",
        file(`${name}.pem`),
      );
      return { cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) };
    };
    authority("trusted");
    authority("other");
    return {
      ca: readFileSync(file("trusted.pem")),
      server: signed("server", "trusted", "IP:127.0.0.1,DNS:localhost,DNS:backend.test"),
      client: signed("client", "trusted", "DNS:gateway.test"),
      stranger: { ca: readFileSync(file("other.pem")), ...signed("stranger", "other", "DNS:stranger.test") },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
