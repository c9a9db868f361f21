// Where the prefixes of a config lead: a URL, or an endpoint of a backend that is available now.

import type { BackendConfig, Config, PassthroughConfig } from "../../config/config.ts";
import type { Backend, Endpoint } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { Passthrough } from "../passthrough.ts";

/** What is in force: a config and its backends. */
export interface Known {
  readonly config: Pick<Config, "backends">;
  readonly backends: readonly Backend[];
}

/**
 * The prefixes of a config, which lead to the backends that are in force when somebody asks.
 *
 * @throws InferError invalid-argument for a backend that cannot stand behind one
 */
export function passthroughsOf({ passthrough }: Pick<Config, "passthrough">, now: () => Known): readonly Passthrough[] {
  return [...(passthrough ?? [])].map(([prefix, words]) => {
    const { websocket, request, response } = words;
    return { prefix, websocket, request, response, ...place(prefix, words, now) };
  });
}

function place(
  prefix: string,
  words: PassthroughConfig,
  now: () => Known,
): Pick<Passthrough, "path" | "origin" | "host"> {
  const { to, backend, port, path } = words;
  if (to !== undefined) {
    const { origin, pathname } = new URL(to);
    return { path: pathname, origin: () => origin };
  }
  const find = (): Backend | undefined => {
    const known = now();
    const setting = known.config.backends.find(({ name }) => name === backend);
    if (setting === undefined || !hasPlainServers(setting)) return undefined;
    return known.backends.find(({ name }) => name === backend);
  };
  if (find() === undefined) {
    const text = `passthrough.${prefix}: backend "${backend}" has no servers that are asked without TLS: say its URL with to`;
    throw new InferError("invalid-argument", text);
  }
  // a change of the config may have put another in its place, or none
  const found = (): Backend => {
    const one = find();
    if (one === undefined) throw unknown();
    return one;
  };
  return { path, origin: () => urlOf(found(), port).origin, host: () => hostOf(found(), port) };
}

function hasPlainServers({ options }: BackendConfig): boolean {
  const words = options as { readonly endpoints?: unknown; readonly tls?: unknown };
  return words.endpoints !== undefined && words.tls === undefined;
}

// An endpoint's id ends in its address: `backend/host:port/prefix`.
function urlOf(backend: Backend, port: number | undefined): URL {
  const url = new URL(`http://${endpointOf(backend).id.slice(backend.name.length + 1)}`);
  if (port !== undefined) url.port = String(port);
  return url;
}

/** Endpoints that were found under one name have one port. */
function hostOf(backend: Backend, port: number | undefined): string | undefined {
  const { foundAs } = endpointOf(backend);
  if (foundAs === undefined) return undefined;
  const url = urlOf(backend, port);
  url.hostname = foundAs;
  return url.host;
}

function endpointOf(backend: Backend): Endpoint {
  const endpoints = backend.endpoints.list();
  const endpoint = endpoints.find((one) => one.available()) ?? endpoints[0];
  if (endpoint === undefined) throw unknown();
  return endpoint;
}

function unknown(): InferError {
  return new InferError("unavailable", "the server behind this path is not known now");
}
