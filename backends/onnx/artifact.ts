// One loaded state of a version's files: in use by runs, and let go when the last of them has ended.

import type { Identity } from "../../core/model.ts";
import type { DeclaredSignature } from "./declared.ts";

export interface Artifact {
  readonly session: string;
  readonly signature: DeclaredSignature;
  /** sha256 of the files. */
  readonly hash: string;
  /** The files and how they are read; another object for each load. */
  readonly identity: Identity;
  /** Counts a run in; the answer counts it out. */
  use(): () => void;
  /** Resolves when no run uses it. Nobody may begin to use it after this is asked. */
  unused(): Promise<void>;
  /** Gives back what was set aside for it. */
  free(): void;
}

export function openArtifact(init: Pick<Artifact, "session" | "signature" | "hash" | "free">): Artifact {
  let uses = 0;
  const idle = Promise.withResolvers<void>();
  let asked = false;
  return {
    ...init,
    identity: { id: `${init.hash} ${JSON.stringify(init.signature, plain)}`, portable: true },
    use() {
      uses += 1;
      return () => {
        uses -= 1;
        if (asked && uses === 0) idle.resolve();
      };
    },
    unused() {
      asked = true;
      if (uses === 0) idle.resolve();
      return idle.promise;
    },
  };
}

// maps and sets are nothing to JSON
function plain(_key: string, value: unknown): unknown {
  return value instanceof Map || value instanceof Set ? [...value] : value;
}
