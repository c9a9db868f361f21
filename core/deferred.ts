// Inputs whose heads are known and whose bytes are decoded only when somebody below the cache needs them.

import { InferError } from "./error.ts";
import type { InferRequest } from "./request.ts";
import type { Layer } from "./service.ts";
import type { Datatype, Parameters, Tensor } from "./tensor.ts";

/** All of a tensor but its bytes. */
export type TensorHead = Omit<Tensor, "data">;

/** What decodes the bytes, and what came of it. */
interface Source {
  readonly decode: () => Promise<readonly Tensor[]>;
  decoding?: Promise<readonly Tensor[]>;
  decoded?: readonly Tensor[];
}

/** The getter stands on the class, so that a copy of a head's own words does not ask for the bytes. */
class DeferredTensor implements Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  declare readonly parameters?: Parameters;
  readonly #at: number;
  readonly #source: Source;

  constructor(head: TensorHead, at: number, source: Source) {
    this.name = head.name;
    this.datatype = head.datatype;
    this.shape = head.shape;
    if (head.parameters !== undefined) this.parameters = head.parameters;
    this.#at = at;
    this.#source = source;
  }

  get data(): Uint8Array {
    const tensor = this.#source.decoded?.[this.#at];
    if (tensor !== undefined) return tensor.data;
    throw new InferError("internal", `input "${this.name}": its bytes were asked for before they were decoded`);
  }

  /** Where bytes that these inputs still miss come from: all of a request are of one source. */
  static sourceOf(inputs: readonly Tensor[]): Source | undefined {
    for (const input of inputs) if (input instanceof DeferredTensor) return input.#source;
    return undefined;
  }

  /** The input itself where it had its bytes from the beginning. */
  static whole(input: Tensor): Tensor {
    return input instanceof DeferredTensor ? (input.#source.decoded?.[input.#at] ?? input) : input;
  }
}

/**
 * Inputs with these heads. Their bytes are there once `wholeRequest` has decoded them; whoever asks before gets an error.
 *
 * @param decode gives the whole inputs, in the order of the heads; called once at most
 */
export function deferInputs(heads: readonly TensorHead[], decode: () => Promise<readonly Tensor[]>): readonly Tensor[] {
  const source: Source = { decode };
  return heads.map((head, at) => new DeferredTensor(head, at, source));
}

/**
 * The request with the bytes of its inputs, decoded where they are not there yet.
 *
 * @throws what the decoder throws: a fault found late is the client's all the same
 */
export function wholeRequest(request: InferRequest): InferRequest | Promise<InferRequest> {
  const source = DeferredTensor.sourceOf(request.inputs);
  if (source === undefined) return request;
  const whole = (): InferRequest => ({ ...request, inputs: request.inputs.map(DeferredTensor.whole) });
  if (source.decoded !== undefined) return whole();
  source.decoding ??= source.decode();
  return source.decoding.then((decoded) => {
    source.decoded = decoded;
    return whole();
  });
}

/** Below it every request has its bytes. */
export const wholeLayer: Layer = (next) => (request, call) => {
  const whole = wholeRequest(request);
  return whole instanceof Promise ? whole.then((decoded) => next(decoded, call)) : next(whole, call);
};
