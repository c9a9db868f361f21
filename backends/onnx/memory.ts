// Whether the sessions of a version fit into memory.

import { totalmem } from "node:os";
import { InferError } from "../../core/error.ts";
import { formatBytes } from "../../core/units.ts";

/** The part of the memory that models may fill; the rest is for requests, runs and the gateway itself. */
const SHARE = 0.8;

export interface Memory {
  /**
   * Sets bytes aside for a session in each of `workers` workers; the answer gives them back.
   *
   * @throws InferError unavailable with the figures when they are not there
   */
  reserve(model: string, need: { readonly workers: number; readonly bytes: number }): () => void;
  readonly usedBytes: number;
}

/** @param limitBytes of the machine or the container */
export function openMemory(limitBytes: number): Memory {
  let usedBytes = 0;
  return {
    reserve(model, { workers, bytes }) {
      const need = workers * bytes;
      if (usedBytes + need > limitBytes * SHARE) {
        throw new InferError(
          "unavailable",
          `${model}: ${workers} workers x ${formatBytes(bytes)} = ${formatBytes(need)}, which is more than is left: ` +
            `models have ${formatBytes(usedBytes)} of ${formatBytes(limitBytes * SHARE)} (80 % of ${formatBytes(limitBytes)})`,
        );
      }
      usedBytes += need;
      return () => {
        usedBytes -= need;
      };
    },
    get usedBytes() {
      return usedBytes;
    },
  };
}

/** What the container allows this process, or what the machine has. */
export function memoryLimit(): number {
  const total = totalmem();
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < total ? constrained : total;
}
