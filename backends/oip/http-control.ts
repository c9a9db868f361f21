// What an operator may do with the models of a server of the Open Inference Protocol over HTTP.

import type { BackendModel, ControlPlane, LoadOptions } from "../../core/backend.ts";
import { parseAnswer } from "../../wire/oip-repository.ts";
import { bodyOf, type OipHttpLink } from "./http-link.ts";
import { readModels } from "./http-models.ts";
import { pathOf, segment } from "./paths.ts";

/** Gives what the server can do, as far as its ways are known at the time. */
export function openOipHttpControl(link: OipHttpLink): () => ControlPlane {
  const change = (verb: "load" | "unload") => async (model: string, signal: AbortSignal, options?: LoadOptions) => {
    const body = JSON.stringify(options === undefined ? {} : { parameters: parametersOf(options) });
    bodyOf(await link.post(`/v2/repository/models/${segment(model)}/${verb}`, body, { signal }));
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

/** Source: Triton, extension_model_repository.md: files in base64. */
function parametersOf({ config, files }: LoadOptions) {
  const inBase64 = [...files].map(([path, bytes]) => [`file:${path}`, Buffer.from(bytes).toString("base64")]);
  return { ...(config === undefined ? {} : { config }), ...Object.fromEntries(inBase64) };
}
