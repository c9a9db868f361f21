// What dynamic_batching of a config.pbtxt says, as the words of the config's `batch`.

import type { TextMessage, TextValue } from "../../wire/pbtxt.ts";

/** The words after `batch:`. */
export interface BatchWish {
  readonly maxRows?: number;
  readonly maxDelay: string;
  readonly preferred?: readonly number[];
  readonly maxQueue?: number;
}

/** The longest that `batch` lets rows wait. */
const LONGEST_US = 5_000;
const US_PER_MS = 1_000;

/** What it asks for, and what of that is not done, in words for the operator. */
export interface BatchRead {
  readonly wish: BatchWish | undefined;
  readonly ignored: readonly string[];
}

/**
 * Reads the message. Source: Triton, model_config.proto, ModelDynamicBatching: rows of one model are joined up to
 * `max_batch_size`, at once where a preferred size is reached, else after the delay.
 *
 * @param maxBatchSize as the config says it: 0 has no rows to join
 */
export function readDynamicBatching(fields: TextMessage, maxBatchSize: number | undefined): BatchRead {
  if (maxBatchSize === 0) return { wish: undefined, ignored: ["dynamic_batching is ignored: max_batch_size is 0"] };
  const ignored: string[] = [];
  const preferred = wholes(fields, "preferred_batch_size");
  const tooLarge = preferred.find((size) => maxBatchSize !== undefined && size > maxBatchSize);
  if (tooLarge !== undefined || preferred.some((size) => size < 1)) {
    throw new Error(
      `dynamic_batching: preferred_batch_size: expected 1 to ${maxBatchSize ?? "any"}, got ${tooLarge ?? 0}`,
    );
  }
  const delayUs = wholes(fields, "max_queue_delay_microseconds").at(-1) ?? 0;
  if (delayUs > LONGEST_US) {
    ignored.push(`dynamic_batching: max_queue_delay_microseconds: rows wait ${LONGEST_US} here, not ${delayUs}`);
  }
  const maxQueue = queueSize(fields, ignored);
  const others = [...fields.keys()].filter((field) => !READ.has(field));
  if (others.length > 0) ignored.push(`dynamic_batching: ${others.join(", ")} ignored`);
  return {
    wish: {
      maxDelay: `${Math.min(delayUs, LONGEST_US) / US_PER_MS}ms`,
      ...(maxBatchSize === undefined ? {} : { maxRows: maxBatchSize }),
      ...(preferred.length === 0 ? {} : { preferred }),
      ...(maxQueue === undefined ? {} : { maxQueue }),
    },
    ignored,
  };
}

const READ: ReadonlySet<string> = new Set([
  "preferred_batch_size",
  "max_queue_delay_microseconds",
  "default_queue_policy",
  // answers of one caller come in its order whatever is joined
  "preserve_ordering",
]);

/** The queue's bound; time-outs in it are the callers' own deadlines here. */
function queueSize(fields: TextMessage, ignored: string[]): number | undefined {
  const policy = fields.get("default_queue_policy")?.at(-1);
  if (policy === undefined) return undefined;
  if (policy.kind !== "message") throw new Error("dynamic_batching: default_queue_policy: expected a message");
  const others = [...policy.fields.keys()].filter((field) => field !== "max_queue_size");
  if (others.length > 0) ignored.push(`dynamic_batching: default_queue_policy: ${others.join(", ")} ignored`);
  const size = wholes(policy.fields, "max_queue_size").at(-1);
  return size === 0 ? undefined : size;
}

function wholes(fields: TextMessage, field: string): readonly number[] {
  return (fields.get(field) ?? []).map((value: TextValue) => {
    const number = value.kind === "number" ? Number(value.number) : Number.NaN;
    if (Number.isSafeInteger(number) && number >= 0) return number;
    throw new Error(`dynamic_batching: ${field}: expected a whole number of at least 0`);
  });
}
