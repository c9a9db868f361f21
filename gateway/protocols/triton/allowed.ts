// What clients may change here: refused in the same words over REST and gRPC.

import { InferError } from "../../../core/error.ts";
import type { Regions } from "../../../core/operator.ts";
import type { Planes } from "../../../core/protocol.ts";

/** @throws InferError permission-denied where the config does not let clients change settings */
export function checkChange({ operator }: Pick<Planes, "operator">, what: string): void {
  if (operator.mayChange) return;
  throw new InferError(
    "permission-denied",
    `no client may change ${what} here: the config can allow it with triton.control`,
  );
}

/** @throws InferError unsupported where the config does not allow shared memory */
export function regionsOf({ operator }: Pick<Planes, "operator">): Regions {
  if (operator.regions !== undefined) return operator.regions;
  throw new InferError(
    "unsupported",
    "shared memory is off here: the config can allow it to clients on this machine with triton.sharedMemory",
  );
}

/** CUDA shared memory has no way into a process without a GPU. */
export function refuseCuda(): never {
  throw new InferError(
    "unsupported",
    "CUDA shared memory is not supported: use system shared memory, or send tensors in the request",
  );
}
