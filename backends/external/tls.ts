// The files behind the word `tls`, followed for as long as the backend is open: who renews certificates replaces them.

import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createSecureContext } from "node:tls";
import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { type WatchFolder, watchEntries } from "../onnx/watch.ts";
import type { TlsWords } from "./words.ts";

/** Keys and certificates as they stand in their files (PEM). */
export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly serverName?: string;
}

/** The files as they are now. */
export interface LiveTls {
  readonly now: TlsFiles;
  /** Calls back whenever others are in force; the answer stops that. */
  onChange(listener: () => void): () => void;
  close(): Promise<void>;
}

export interface FollowTls {
  readonly backend: string;
  readonly env: Pick<Env, "clock" | "log">;
  readonly baseDir: string;
  /** A seam: tests bring their own. */
  readonly watch?: WatchFolder;
}

/** A certificate and its key are replaced one after the other: what counts is what stands there after a pause. */
const PAUSE_MS = 100;

/**
 * Reads the files, and again whenever one of them changes. Those that cannot be used are said in the log, and what is in
 * force stays.
 *
 * @throws InferError invalid-argument for a file that cannot be read now
 */
export async function openTls(words: TlsWords | undefined, options: FollowTls): Promise<LiveTls | undefined> {
  if (words === undefined) return undefined;
  const { backend, env, baseDir, watch = watchEntries } = options;
  let now = await readTls(words, baseDir);
  const listeners = new Set<() => void>();
  let stopPause = () => {};
  let isClosed = false;
  let turn = Promise.resolve();
  const look = async () => {
    try {
      const found = await readTls(words, baseDir);
      if (isClosed || isSame(found, now)) return;
      check(found);
      now = found;
    } catch (error) {
      const { message } = asInferError(error);
      env.log.warn({ backend, reason: message }, "files of tls have changed and cannot be used; those in force stay");
      return;
    }
    env.log.info({ backend }, "files of tls have changed: new connections use them");
    for (const listener of listeners) listener();
  };
  const changed = () => {
    stopPause();
    stopPause = env.clock.after(PAUSE_MS, () => {
      turn = turn.then(look);
    });
  };
  const failed = (error: unknown) => env.log.warn({ err: error, backend }, "files of tls are not watched any longer");
  const stops = foldersOf(words, baseDir).map((folder) => watch(folder, { changed, failed }));
  return {
    get now() {
      return now;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async close() {
      isClosed = true;
      stopPause();
      await Promise.all(stops.map((stop) => stop()));
      await turn;
    },
  };
}

const FILES = ["ca", "cert", "key"] as const;

function foldersOf(words: TlsWords, baseDir: string): readonly string[] {
  const paths = FILES.flatMap((word) => words[word] ?? []);
  return [...new Set(paths.map((path) => dirname(resolve(baseDir, path))))];
}

async function readTls(words: TlsWords, baseDir: string): Promise<TlsFiles> {
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

function isSame(one: TlsFiles, other: TlsFiles): boolean {
  return FILES.every((word) => one[word]?.equals(other[word] ?? Buffer.alloc(0)) ?? other[word] === undefined);
}

/** @throws InferError invalid-argument for what is no certificate or key, or a key of another certificate */
function check({ ca, cert, key }: TlsFiles): void {
  try {
    if (ca !== undefined) checkAuthorities(ca.toString("latin1"));
    createSecureContext({ ...(ca === undefined ? {} : { ca }), ...(cert && key ? { cert, key } : {}) });
  } catch (cause) {
    throw unusable(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

// Node leaves out what it cannot read of them.
function checkAuthorities(text: string): void {
  const blocks = text.split("-----BEGIN ").slice(1);
  if (blocks.length === 0) throw new Error("ca: expected certificates (PEM)");
  for (const block of blocks) new X509Certificate(`-----BEGIN ${block}`);
}

function unusable(said: string, cause?: unknown): InferError {
  return new InferError("invalid-argument", `tls: ${said}`, cause === undefined ? {} : { cause });
}
