// The word of the config that names the store which replicas share.

import { z } from "zod";
import { bytes, duration } from "../core/words.ts";

const EXPECTED = "the URL of a Valkey or Redis such as redis://127.0.0.1:6379";

/** A secret of fewer signs could be found by trying. */
const SECRET_SIGNS = 32;

/** What is wrong is not shown: it may hold a password. */
const storeUrl = z.string({ error: `expected ${EXPECTED}` }).refine(isStoreUrl, { error: `expected ${EXPECTED}` });

function isStoreUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && /^(redis|valkey)s?:$/.test(url.protocol) && url.hostname !== "";
}

/** The store that replicas share: answers that are kept, purges and counts. */
export const storeWord = z
  .strictObject({
    valkey: storeUrl.describe(
      "Its URL; rediss: or valkeys: for TLS, user and password before the host, the database's number behind it.",
    ),
    secret: z
      .string()
      .min(SECRET_SIGNS, { error: `expected a secret of at least ${SECRET_SIGNS} signs` })
      .describe("The same for all replicas and known to nobody else, best a reference to the environment."),
    timeout: duration()
      .prefault("5ms")
      .describe("How long the gateway waits for it at most; then a request goes on without it."),
    prefix: z
      .string()
      .regex(/^[\w.-]+$/, { error: "expected letters, digits, dots, dashes and underscores" })
      .default("sluice")
      .describe("The first part of every key there: replicas share what is under the same one."),
    maxValue: bytes().prefault("1MiB").describe("The largest answer that is kept there."),
  })
  .describe(
    "A Valkey or Redis that replicas share for kept answers, purges and quotas; without it each has its memory.",
  );
