// Where the prefixes of a config lead: a URL, or an endpoint of a backend that is available now.

import type { BackendConfig, Config, PassthroughConfig } from "../../config/config.ts";
import type { Backend } from "../../core/backend.ts";
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

function place(prefix: string, words: PassthroughConfig, known: Known): Pick<Passthrough, "path" | "origin"> {
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
  return { path, origin: () => originOf(found, port) };
}

function hasPlainServers({ options }: BackendConfig): boolean {
  const words = options as { readonly endpoints?: unknown; readonly tls?: unknown };
  return words.endpoints !== undefined && words.tls === undefined;
}

// An endpoint's id ends in its address: `backend/host:port/prefix`.
function originOf(backend: Backend, port: number | undefined): string {
  const endpoints = backend.endpoints.list();
  const endpoint = endpoints.find((one) => one.available()) ?? endpoints[0];
  if (endpoint === undefined) throw new InferError("unavailable", "the server behind this path is not known now");
  const url = new URL(`http://${endpoint.id.slice(backend.name.length + 1)}`);
  if (port !== undefined) url.port = String(port);
  return url.origin;
}
