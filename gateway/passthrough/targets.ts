// Where the prefixes of a config lead: a URL, or an endpoint of a backend that is available now.

import type { BackendConfig, Config, PassthroughConfig } from "../../config/config.ts";
import type { Backend, Endpoint } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { Passthrough } from "../passthrough.ts";

/** The prefixes of a config. @throws InferError invalid-argument for a backend that cannot stand behind one */
export function passthroughsOf(config: Config, backends: readonly Backend[]): readonly Passthrough[] {
  return [...(config.passthrough ?? [])].map(([prefix, words]) => {
    const { websocket, request, response } = words;
    return { prefix, websocket, request, response, ...place(prefix, words, { config, backends }) };
  });
}

interface Known {
  readonly config: Config;
  readonly backends: readonly Backend[];
}

function place(prefix: string, words: PassthroughConfig, known: Known): Pick<Passthrough, "path" | "origin" | "host"> {
  const { to, backend, port, path } = words;
  if (to !== undefined) {
    const { origin, pathname } = new URL(to);
    return { path: pathname, origin: () => origin };
  }
  const found = known.backends.find(({ name }) => name === backend);
  const setting = known.config.backends.find(({ name }) => name === backend);
  if (found === undefined || setting === undefined || !hasPlainServers(setting)) {
    const text = `passthrough.${prefix}: backend "${backend}" has no servers that are asked without TLS: say its URL with to`;
    throw new InferError("invalid-argument", text);
  }
  return { path, origin: () => urlOf(found, port).origin, host: () => hostOf(found, port) };
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
  if (endpoint === undefined) throw new InferError("unavailable", "the server behind this path is not known now");
  return endpoint;
}
