// What an operator can do with the models of a backend: on all of its servers, or asked of one of them.

import type { BackendModel, ControlPlane } from "../../core/backend.ts";
import { InferError } from "../../core/error.ts";
import type { Catalog } from "../../core/model.ts";
import type { ServerEndpoint } from "./endpoint.ts";

export interface ControlOptions {
  readonly backend: string;
  readonly catalog: Catalog;
  endpoints(): readonly ServerEndpoint[];
  /** Hears of a model that is about to be another, and again when that is done. */
  changing(model: string): void;
}

/**
 * The operations that some server of the backend has; undefined while none has any. A model is loaded and unloaded on
 * every server; settings and statistics are one server's, the first healthy one's that serves the model.
 */
export function controlOf(options: ControlOptions): ControlPlane | undefined {
  const { catalog, endpoints } = options;
  const has = (word: keyof ControlPlane) =>
    endpoints().some(({ connection }) => connection.control?.[word] !== undefined);
  if (endpoints().every(({ connection }) => connection.control === undefined)) return undefined;
  return {
    list: async () => catalog.list(),
    ...(has("load")
      ? { load: (model, signal, how) => onAll(options, model, (control) => control.load?.(model, signal, how)) }
      : {}),
    ...(has("unload")
      ? { unload: (model, signal) => onAll(options, model, (control) => control.unload?.(model, signal)) }
      : {}),
    ...(has("config") ? { config: (model, signal) => onOne(options, model).config?.(model, signal) } : {}),
    ...(has("statistics") ? { statistics: (model, signal) => onOne(options, model).statistics?.(model, signal) } : {}),
  } as ControlPlane;
}

/** Does it everywhere; what every server has had its chance at is then looked at, and the first fault thrown. */
async function onAll(
  { endpoints, changing }: ControlOptions,
  model: string,
  act: (control: ControlPlane) => Promise<void> | undefined,
): Promise<void> {
  const servers = endpoints();
  changing(model);
  const ends = await Promise.allSettled(servers.map(async ({ connection }) => act(connection.control ?? {})));
  changing(model);
  // whoever has had a model loaded may ask for it at once, as of a server alone
  await Promise.all(servers.map((server) => server.lookNow()));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

function onOne({ backend, endpoints }: ControlOptions, model: BackendModel): ControlPlane {
  const healthy = endpoints().filter((one) => one.healthy);
  const control = (healthy.find((one) => one.serves(model)) ?? healthy[0])?.connection.control;
  if (control === undefined)
    throw new InferError("unavailable", `no endpoint of backend "${backend}" can be asked now`);
  return control;
}
