// gRPC's reflection service: tells clients such as grpcurl which services there are, and their messages.

import { asInferError, InferError } from "../../core/error.ts";
import type { Protocol, WireRequest } from "../../core/protocol.ts";
import {
  type ProtoFile,
  REFLECTION_ANSWER,
  REFLECTION_REQUEST,
  REFLECTION_SERVICES,
  readProtoFile,
} from "../../wire/grpc-reflection.ts";
import { DESCRIPTORS } from "./grpc-descriptors/reflection.ts";
import { GRPC_STATUS, grpcFail, OK } from "./grpc-status.ts";

interface File extends ProtoFile {
  readonly bytes: Uint8Array;
}

/** Tells about the services of these protocols, as far as they have descriptors, and about itself. */
export function grpcReflection(served: readonly Protocol[]): Protocol {
  const descriptors = [...served.flatMap((protocol) => protocol.descriptors ?? []), ...DESCRIPTORS];
  const files = new Map<string, File>();
  for (const bytes of descriptors) {
    const file = readProtoFile(bytes);
    files.set(file.name, { ...file, bytes });
  }
  const bySymbol = new Map(
    [...files.values()].flatMap((file) => file.symbols.map((symbol) => [symbol, file] as const)),
  );
  const answer = (message: Uint8Array) => answerOne(message, { files, bySymbol });
  return {
    name: "grpc-reflection",
    listener: "grpc",
    prefixes: REFLECTION_SERVICES.map((service) => `/${service}`),
    fail: (error) => grpcFail(error),
    routes: REFLECTION_SERVICES.map((service) => ({
      method: "POST",
      path: `/${service}/ServerReflectionInfo`,
      body: "stream",
      handle: async (wire) => ({ status: OK, headers: {}, body: answers(wire, answer) }),
    })),
  };
}

async function* answers(wire: WireRequest, answer: (message: Uint8Array) => Uint8Array): AsyncGenerator<Uint8Array> {
  for await (const message of wire.body as AsyncIterable<Uint8Array>) {
    yield answer(message);
    wire.release?.(message);
  }
}

interface Known {
  readonly files: ReadonlyMap<string, File>;
  readonly bySymbol: ReadonlyMap<string, File>;
}

function answerOne(message: Uint8Array, known: Known): Uint8Array {
  const { host, ...asked } = REFLECTION_REQUEST.decode(message);
  try {
    return REFLECTION_ANSWER.encode({ valid_host: host, original_request: message, ...told(asked, known) });
  } catch (error) {
    const { code, message: text } = asInferError(error);
    const error_response = { error_code: GRPC_STATUS[code], error_message: text };
    return REFLECTION_ANSWER.encode({ valid_host: host, original_request: message, error_response });
  }
}

type Asked = Omit<ReturnType<typeof REFLECTION_REQUEST.decode>, "host">;

/** @throws InferError not-found for what no file has, unsupported for a request without a question */
function told(asked: Asked, { files, bySymbol }: Known): Partial<ReturnType<typeof REFLECTION_ANSWER.decode>> {
  const { file_by_filename: name, file_containing_symbol: symbol, all_extension_numbers_of_type: type } = asked;
  if (asked.list_services !== undefined) {
    const names = [...files.values()].flatMap(({ services }) => services).sort();
    return { list_services_response: { service: names.map((service) => ({ name: service })) } };
  }
  if (name !== undefined) return withImports(files.get(name), { files, asked: `file "${name}"` });
  if (symbol !== undefined) return withImports(bySymbol.get(symbol), { files, asked: `symbol "${symbol}"` });
  if (type !== undefined && bySymbol.has(type)) {
    // proto3 has no extensions
    return { all_extension_numbers_response: { base_type_name: type, extension_number: [] } };
  }
  if (type !== undefined) throw new InferError("not-found", `no such message: "${type}"`);
  if (asked.file_containing_extension !== undefined) throw new InferError("not-found", "there are no extensions");
  throw new InferError("unsupported", "expected a question about files, symbols or services, got none");
}

function withImports(
  file: File | undefined,
  { files, asked }: Pick<Known, "files"> & { readonly asked: string },
): Partial<ReturnType<typeof REFLECTION_ANSWER.decode>> {
  if (file === undefined) throw new InferError("not-found", `no such ${asked}`);
  const all = new Set<File>([file]);
  // a set that grows is walked to its end
  for (const one of all) {
    for (const name of one.imports) {
      const imported = files.get(name);
      if (imported !== undefined) all.add(imported);
    }
  }
  return { file_descriptor_response: { file_descriptor_proto: [...all].map(({ bytes }) => bytes) } };
}
