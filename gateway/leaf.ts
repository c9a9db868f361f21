// The leaf of a route: one version of a model, answered by the endpoints of all its targets under the logical name.

import { bridgeLayer } from "../backends/bridge.ts";
import type { Endpoint } from "../core/backend.ts";
import { InferError, invalid } from "../core/error.ts";
import type { Guard } from "../core/guard.ts";
import type { Candidate, Candidates } from "../core/policy.ts";
import type { RunSliced } from "../core/protocol.ts";
import { answerAs, type InferRequest, type ModelRef, type ResolvedModel, type Select } from "../core/request.ts";
import type { Layer, Service } from "../core/service.ts";
import { stack } from "../core/service.ts";
import { DEFAULT_SIGNATURE } from "../wire/tfs-signatures.ts";
import type { Target } from "./versions.ts";

export interface LeafOptions {
  /** The logical model and its version. */
  readonly model: ResolvedModel;
  readonly targets: readonly Target[];
  /** What stands above the balancer, outermost first. */
  readonly layers: (candidates: Candidates) => readonly Layer[];
  readonly balance: (candidates: Candidates) => Service;
  /** For casts of large tensors. */
  readonly run: RunSliced;
  /** What stands before an endpoint of a target; nothing when absent. */
  readonly guards?: GuardsOf | undefined;
}

/** The guards before an endpoint, undefined where the words in force ask for none. */
export type GuardsOf = (
  target: Target,
  endpoint: Endpoint,
) => Pick<Guard, "available" | "due" | "barred" | "layer" | "anyway"> | undefined;

/** A Service that answers for one version, whatever version its requests name. */
export function openLeaf({ model, targets, layers, balance, run, guards }: LeafOptions): Service {
  const select: Select = { by: "version", version: model.version };
  const candidates = candidatesOf({ model, targets, run, guards });
  const service = stack(layers(candidates), balance(candidates));
  return async (request, call) => {
    call.trace.learn({ version: model.version });
    return answerAs(await service({ ...request, model: { name: model.name, select } }, call), model);
  };
}

/** The endpoints of all targets as one list, which is the same list for as long as no endpoint comes or goes. */
function candidatesOf(parts: Pick<LeafOptions, "model" | "targets" | "run" | "guards">): Candidates {
  const { targets } = parts;
  const known = new WeakMap<Endpoint, Map<Target, Candidate>>();
  const candidateOf = (target: Target, endpoint: Endpoint): Candidate => {
    const ofEndpoint = known.get(endpoint) ?? new Map<Target, Candidate>();
    known.set(endpoint, ofEndpoint);
    const candidate = ofEndpoint.get(target) ?? openCandidate({ ...parts, target, endpoint });
    ofEndpoint.set(target, candidate);
    return candidate;
  };
  let lists: readonly (readonly Endpoint[])[] = [];
  let union: readonly Candidate[] = [];
  return {
    list() {
      if (lists.length === targets.length && targets.every(({ at }, i) => at.endpoints.list() === lists[i]))
        return union;
      lists = targets.map(({ at }) => at.endpoints.list());
      union = targets.flatMap((target, i) =>
        (lists[i] ?? []).filter((one) => hasTags(one, target)).map((endpoint) => candidateOf(target, endpoint)),
      );
      return union;
    },
  };
}

function hasTags(endpoint: Endpoint, { tags }: Target): boolean {
  return tags.every((tag) => endpoint.tags.includes(tag));
}

interface CandidateParts {
  readonly model: ResolvedModel;
  readonly target: Target;
  readonly endpoint: Endpoint;
  readonly run: RunSliced;
  readonly guards?: GuardsOf | undefined;
}

function openCandidate({ model, target, endpoint, run, guards }: CandidateParts): Candidate {
  const there = { name: target.model, ...(target.version === undefined ? {} : { version: target.version }) };
  const modelThere: ModelRef = { name: target.model, select: selectThere(target) };
  const bridged = stack(target.bridge === undefined ? [] : [bridgeLayer(target.bridge, run)], (request, call) =>
    endpoint.infer({ ...withSignature(request, target), model: modelThere }, call),
  );
  const guard = guards?.(target, endpoint);
  const through =
    (next: Service): Service =>
    async (request, call) => {
      const facts = { version: model.version, backend: target.at.name, endpoint: endpoint.id };
      call.trace.learn(facts);
      try {
        return await next(request, call);
      } catch (error) {
        throw lostModel(error, model, target) ?? error;
      } finally {
        // an adapter tells what it ran under the names there
        call.trace.learn(facts);
      }
    };
  const serves = () => endpoint.serves(there);
  if (guard === undefined) {
    return { endpoint, available: () => endpoint.available(there), serves, service: through(bridged) };
  }
  return {
    endpoint,
    serves: () => serves() && !guard.barred(),
    available: () => endpoint.available(there) && guard.available(),
    due: guard.due,
    // guards see the backend's own faults: that it has lost one model says nothing of the others
    service: through(guard.layer(bridged)),
    anyway: through(guard.anyway(bridged)),
  };
}

/** Where there is one signature, it has the name that TensorFlow gives to the usual one. */
function withSignature(request: InferRequest, { at }: Target): InferRequest {
  if (request.signature === undefined || at.signatures === true) return request;
  const { signature, ...rest } = request;
  if (signature === DEFAULT_SIGNATURE) return rest;
  // TensorFlow Serving's words, whose clients alone ask so
  throw invalid(`Serving signature name: "${signature}" not found in signature def`);
}

// The client asked for a model that there is: that a backend has lost it is not the client's fault.
function lostModel(error: unknown, { name, version }: ResolvedModel, target: Target): InferError | undefined {
  if (!(error instanceof InferError) || error.code !== "not-found") return undefined;
  const text = `model "${name}" version ${version}: backend "${target.at.name}" has it no longer`;
  return new InferError("unavailable", text, { cause: error });
}

function selectThere({ version, label }: Target): Select {
  if (version !== undefined) return { by: "version", version };
  return label === undefined ? { by: "default" } : { by: "label", label };
}
