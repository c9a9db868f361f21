// Where the servers of a backend are: listed, or found by DNS or in a file, again and again.

import { lookup, resolveSrv } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Env } from "../../core/env.ts";
import { formatServerAddress, type ServerAddress } from "./addresses.ts";
import { type EndpointsWord, type EntryWords, entryList } from "./words.ts";

/** A server as it was found. */
export interface Place extends EntryWords {
  /** The name under which its address was found: it is spoken to by that name. */
  readonly foundAs?: string;
}

/** Asks the system, or what a test puts in its place. */
export interface Resolver {
  /** The A and AAAA records of a name, or what the system's own file of hosts has for it. */
  addresses(name: string): Promise<readonly string[]>;
  srv(name: string): Promise<readonly SrvRecord[]>;
  readFile(path: string): Promise<string>;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  /** The lowest is asked first. */
  readonly priority: number;
  readonly weight: number;
}

/**
 * The system's own. Addresses come from getaddrinfo, not from a bare DNS query, because only that knows the search
 * domains of a cluster and the file of hosts.
 */
export const systemResolver: Resolver = {
  addresses: async (name) => (await lookup(name, { all: true })).map(({ address }) => address),
  srv: (name) => resolveSrv(name),
  readFile: (path) => readFile(path, "utf8"),
};

export interface DiscoveryOptions {
  readonly backend: string;
  readonly word: EndpointsWord;
  readonly env: Env;
  readonly resolver: Resolver;
  readonly baseDir: string;
  parseYaml(text: string): unknown;
  /** The places that there are from now on: each address once. */
  found(places: readonly Place[]): void;
}

/** Waits differ by up to this share, so that many gateways do not ask at once. */
const JITTER = 0.1;

/**
 * Says at once what is listed, and what is found as soon as it is found. When asking fails, or finds nothing in DNS, the
 * servers known before stay: a name service that is away takes no server away. The answer ends it.
 */
export function discover(options: DiscoveryOptions): () => void {
  const { word, found } = options;
  if (Array.isArray(word)) {
    found(word);
    return () => {};
  }
  if ("dns" in word) return repeat(options, word.every, () => byName(options.resolver, word.dns));
  if ("srv" in word) return repeat(options, word.every, () => bySrv(options.resolver, word.srv));
  if ("file" in word) return repeat(options, word.every, () => byFile(options, word.file));
  return word satisfies never;
}

function repeat(options: DiscoveryOptions, everyMs: number, look: () => Promise<readonly Place[]>): () => void {
  const { backend, env, found } = options;
  let closed = false;
  let stopTimer = () => {};
  let complaint: string | undefined;
  const once = async () => {
    try {
      const places = unique(await look());
      if (closed) return;
      complaint = undefined;
      found(places);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!closed && message !== complaint)
        env.log.warn({ backend, err: error }, `endpoints stay as they are: ${message}`);
      complaint = message;
    }
    if (!closed) stopTimer = env.clock.after(everyMs * (1 + JITTER * (2 * env.random() - 1)), () => void once());
  };
  void once();
  return () => {
    closed = true;
    stopTimer();
  };
}

async function byName(resolver: Resolver, named: ServerAddress): Promise<readonly Place[]> {
  const hosts = await resolver.addresses(named.host);
  if (hosts.length === 0) throw new Error(`expected at least one address of ${named.host}, got none`);
  return hosts.map((host) => ({ ...place({ ...named, host }), foundAs: named.host.replace(/\.$/, "") }));
}

async function bySrv(resolver: Resolver, name: string): Promise<readonly Place[]> {
  const records = await resolver.srv(name);
  if (records.length === 0) throw new Error(`expected at least one target of ${name}, got none`);
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  return records.map((record) => ({
    ...place({ scheme: undefined, host: record.name.replace(/\.$/, ""), port: record.port, prefix: "" }),
    tier: priorities.indexOf(record.priority),
    // a weight of 0 means "hardly ever" beside others. Source: RFC 2782
    weight: Math.max(record.weight, 0.1),
  }));
}

async function byFile(options: DiscoveryOptions, file: string): Promise<readonly Place[]> {
  const text = await options.resolver.readFile(resolve(options.baseDir, file));
  const read = entryList.safeParse(options.parseYaml(text) ?? []);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  throw new Error(`${file}: ${issue?.path.map((step) => `[${String(step)}] `).join("") ?? ""}${issue?.message ?? ""}`);
}

function place(address: ServerAddress): Place {
  return { address, weight: 1, tier: 0, tags: [], zone: undefined };
}

function unique(places: readonly Place[]): readonly Place[] {
  return [...new Map(places.map((one) => [formatServerAddress(one.address), one])).values()];
}
