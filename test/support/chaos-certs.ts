// Certificates of one authority for 127.0.0.1, one that holds and one that has expired, made on the spot.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface ServerCert {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface ExpiringCerts {
  /** The file of the authority, for a config. */
  readonly ca: string;
  readonly valid: ServerCert;
  /** Its time was over a day ago. */
  readonly expired: ServerCert;
  clear(): void;
}

const OPENSSL = "/usr/bin/openssl";
const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Undefined where there is no openssl to make them. */
export function makeExpiringCerts(): ExpiringCerts | undefined {
  if (!existsSync(OPENSSL)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "sluice-expiring-"));
  const file = (name: string) => join(folder, name);
  const run = (...args: readonly string[]) => execFileSync(OPENSSL, args, { stdio: "pipe" });
  run("req", "-x509", ...KEY, "-days", "2", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=chaos");
  writeFileSync(file("names"), "subjectAltName=IP:127.0.0.1\n");
  const signed = (name: string, days: string): ServerCert => {
    run("req", ...KEY, "-keyout", file(`${name}.key`), "-out", file(`${name}.csr`), "-subj", `/CN=${name}`);
    const by = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-extfile", file("names")];
    run("x509", "-req", "-in", file(`${name}.csr`), ...by, "-days", days, "-out", file(`${name}.pem`));
    return { cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) };
  };
  const clear = () => rmSync(folder, { recursive: true, force: true });
  return { ca: file("ca.pem"), valid: signed("valid", "2"), expired: signed("expired", "-1"), clear };
}
