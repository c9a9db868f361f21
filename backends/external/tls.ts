// The files behind the word `tls`.

import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { InferError } from "../../core/error.ts";
import type { TlsWords } from "./words.ts";

/** Keys and certificates as they stand in their files (PEM). */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

/** @throws InferError invalid-argument for a file that cannot be read */
export async function readTls(words: TlsWords | undefined, baseDir: string): Promise<TlsFiles | undefined> {
  if (words === undefined) return undefined;
  const { ca, cert, key, serverName } = words;
  return {
    ...(ca === undefined ? {} : { ca: await readPem("ca", resolve(baseDir, ca)) }),
    ...(cert === undefined ? {} : { cert: await readPem("cert", resolve(baseDir, cert)) }),
    ...(key === undefined ? {} : { key: await readPem("key", resolve(baseDir, key)) }),
    ...(serverName === undefined ? {} : { serverName }),
  };
}

async function readPem(word: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new InferError("invalid-argument", `tls.${word}: no file can be read at ${path}`, { cause: error });
  }
}
