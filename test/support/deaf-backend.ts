// A seeded defect for tests of cancellation: backends whose calls never hear that their caller has left.

import type { Backend, BackendKind, Endpoint } from "../../core/backend.ts";

/** The kind as it is, but for the signal of its calls. */
export function deafKind(kind: BackendKind): BackendKind {
  return { ...kind, open: async (options, context) => deafBackend(await kind.open(options, context)) };
}

function deafBackend(backend: Backend): Backend {
  const known = new WeakMap<readonly Endpoint[], readonly Endpoint[]>();
  const list = () => {
    const heard = backend.endpoints.list();
    const deaf = known.get(heard) ?? heard.map(deafEndpoint);
    known.set(heard, deaf);
    return deaf;
  };
  const endpoints = { list, onChange: backend.endpoints.onChange };
  return Object.create(backend, { endpoints: { value: endpoints } });
}

function deafEndpoint(endpoint: Endpoint): Endpoint {
  const { signal } = new AbortController();
  const infer: Endpoint["infer"] = (request, call) => endpoint.infer(request, { ...call, signal });
  return Object.create(endpoint, { infer: { value: infer } });
}
