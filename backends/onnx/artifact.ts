// One loaded state of a version's files: in use by runs, and let go when the last of them has ended.

import type { DeclaredSignature } from "./declared.ts";

export interface Artifact {
  readonly session: string;
  readonly signature: DeclaredSignature;
  /** sha256 of the files. */
  readonly hash: string;
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
