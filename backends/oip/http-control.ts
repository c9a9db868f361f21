// What an operator may do with the models of a server of the Open Inference Protocol over HTTP.

import type { BackendModel, ControlPlane } from "../../core/backend.ts";
import { parseAnswer } from "../../wire/oip-repository.ts";
import { bodyOf, type OipHttpLink } from "./http-link.ts";
import { readModels } from "./http-models.ts";
import { pathOf, segment } from "./paths.ts";

/** Gives what the server can do, as far as its ways are known at the time. */
export function openOipHttpControl(link: OipHttpLink): () => ControlPlane {
  const change = (verb: "load" | "unload") => async (model: string, signal: AbortSignal) => {
    bodyOf(await link.post(`/v2/repository/models/${segment(model)}/${verb}`, "{}", { signal }));
  };
  const tell = (what: "config" | "stats") => async (model: BackendModel, signal: AbortSignal) =>
    parseAnswer(bodyOf(await link.get(`${pathOf(link, model)}/${what}`, { signal })));
  const list = (signal: AbortSignal) => readModels(link, [], signal);
  const load = change("load");
  const unload = change("unload");
  const config = tell("config");
  const statistics = tell("stats");
  return () => ({
    ...(link.quirks.list === "none" ? {} : { list }),
    ...(link.quirks.repository ? { load, unload } : {}),
    ...(link.quirks.config ? { config, statistics } : {}),
  });
}
