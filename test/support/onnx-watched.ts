// A backend over a repository whose changes the test announces, and short words for what it serves.

import type { OnnxSeams } from "../../backends/onnx/onnx.ts";
import type { InferError } from "../../core/error.ts";
import { floats, fp32, hurriedClock, openBackend, type TestBackend } from "./onnx-repository.ts";

export interface Watched extends TestBackend {
  /** Says that something changed, as the watcher does. */
  changed(): void;
}

/** A backend that looks at its repository when the test says so. */
export async function openWatched(
  root: string,
  options: Readonly<Record<string, unknown>> = {},
  seams: OnnxSeams = {},
): Promise<Watched> {
  let changed = () => {};
  const test = await openBackend(
    root,
    { watch: true, ...options },
    {
      clock: hurriedClock,
      watchFolder: (_root, events) => {
        changed = events.changed;
        return async () => {};
      },
      ...seams,
    },
  );
  await test.settled();
  return { ...test, changed: () => changed() };
}

/** What the model answers for 10. */
export async function times(test: TestBackend, model: string): Promise<number | string> {
  try {
    return floats(await test.ask(model, [fp32("x", [10])]))[0] as number;
  } catch (error) {
    return (error as InferError).code;
  }
}

/** `model version state reason` of every version. */
export const states = (test: TestBackend) =>
  test.backend.catalog
    .list()
    .map(({ name, version, state, reason }) => [name, version, state, reason ?? ""].join(" ").trim());
