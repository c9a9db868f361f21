// What the pool and its workers say to each other: the same words over a thread and over a child process.

import type { Code } from "../../core/error.ts";
import type { Datatype, Tensor } from "../../core/tensor.ts";

/** How a session is made; equal options and equal files give equal answers. */
export interface SessionOptions {
  /** Threads inside one run. */
  readonly intraOpThreads: number;
  /** Whether idle threads burn CPU to be there sooner. */
  readonly spinning: boolean;
  readonly graphOptimization: "all" | "basic" | "extended" | "disabled";
  readonly executionProviders: readonly string[];
}

/** A file beside the model that holds weights. */
export interface WeightsFile {
  /** As the model names it. */
  readonly location: string;
  readonly path: string;
}

/** One tensor on its way; in a thread its bytes lie in a buffer that travels along. */
export type WireTensor = Pick<Tensor, "name" | "datatype" | "shape" | "data">;

export type ToWorker =
  /** Answered by `done` with facts, or `failed`. */
  | {
      readonly type: "load";
      readonly ask: number;
      readonly session: string;
      readonly path: string;
      readonly weights: readonly WeightsFile[];
      readonly options: SessionOptions;
    }
  /** The hash over these files' bytes, in this order; answered by `done` with the hash, or `failed`. */
  | { readonly type: "hash"; readonly ask: number; readonly paths: readonly string[] }
  /** Answered by `done`. */
  | { readonly type: "unload"; readonly ask: number; readonly session: string }
  /** Answered by `answered`, `refused` or, where it was taken back, `skipped`. */
  | {
      readonly type: "run";
      readonly run: number;
      readonly session: string;
      readonly inputs: readonly WireTensor[];
      readonly outputs: readonly string[];
    }
  /** End between runs, of your own accord. */
  | { readonly type: "exit" };

/** What a session says of itself; shapes with -1 where any size is taken. */
export interface SessionFacts {
  readonly inputs: readonly ValueFacts[];
  readonly outputs: readonly ValueFacts[];
}

export interface ValueFacts {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export type FromWorker =
  | { readonly type: "started" }
  | { readonly type: "done"; readonly ask: number; readonly facts?: SessionFacts; readonly hash?: string }
  | { readonly type: "failed"; readonly ask: number; readonly reason: string; readonly code: Code }
  | {
      readonly type: "answered";
      readonly run: number;
      readonly outputs: readonly WireTensor[];
      /** Time inside the run: decoding strings, ONNX Runtime, encoding strings. */
      readonly ranMs: number;
      /** The buffer that the inputs came in, back for another use. */
      readonly buffer?: ArrayBuffer;
    }
  | {
      readonly type: "refused";
      readonly run: number;
      readonly code: Code;
      readonly origin: "client" | "backend";
      readonly message: string;
      /** The text of ONNX Runtime, for the log. */
      readonly cause?: string;
      readonly ranMs: number;
      readonly buffer?: ArrayBuffer;
    }
  | { readonly type: "skipped"; readonly run: number; readonly buffer?: ArrayBuffer };
