// What an operator may do with the models of the repository: load them, and unload them until they are loaded again.

import type { ControlPlane } from "../../core/backend.ts";
import { unlessAborted } from "../../core/call.ts";
import { InferError } from "../../core/error.ts";
import { synthesizeConfig } from "../../wire/model-config.ts";
import type { Library } from "./library.ts";
import { metadataOf } from "./metadata.ts";
import type { Shelf } from "./shelf.ts";

/** Loading and unloading go on when their caller has gone: half a model is nobody's wish. */
export function openOnnxControl(library: Library, shelf: Shelf): ControlPlane {
  return {
    list: async () => shelf.catalog.list(),
    async load(model, signal, options) {
      if (options !== undefined) {
        const text =
          "a local model is loaded as it lies in its repository: expected no config and no files in the request";
        throw new InferError("unsupported", `failed to load '${model}', ${text}`);
      }
      await unlessAborted(library.load(model), signal);
    },
    async config({ name, version }) {
      const select = version === undefined ? { by: "default" as const } : { by: "version" as const, version };
      const metadata = metadataOf(shelf, { name, select });
      const { maxRows } = shelf.resolve({ name, select }).artifact.signature;
      return synthesizeConfig(metadata, {
        fileName: "model.onnx",
        ...(maxRows === undefined ? {} : { maxBatchSize: maxRows }),
      });
    },
    async unload(model) {
      library.unload(model);
    },
  };
}
