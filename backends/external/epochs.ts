// Since when a model of a server may be what it is now: all that can be known where no server tells what its models are made of.

import type { Identity } from "../../core/model.ts";

export interface Epochs {
  /** The model's epoch; it means nothing to another process. */
  of(model: string): Identity;
  /** Something was seen that may have replaced the model: from here on it counts as another. */
  end(model: string): void;
  /** The same of every model. */
  endAll(): void;
}

/** Models beyond this are not told apart: an end of one is an end of all. */
const MOST_MODELS = 10_000;

/** @param process differs from that of every other process, and of this one before */
export function openEpochs(process: string): Epochs {
  const epochs = new Map<string, Identity>();
  let count = 0;
  const open = (model: string): Identity => {
    if (epochs.size >= MOST_MODELS) epochs.clear();
    count += 1;
    const epoch = { id: `${process} ${count}`, portable: false };
    epochs.set(model, epoch);
    return epoch;
  };
  return {
    of: (model) => epochs.get(model) ?? open(model),
    // who asks next begins the new one
    end: (model) => void epochs.delete(model),
    endAll: () => epochs.clear(),
  };
}
