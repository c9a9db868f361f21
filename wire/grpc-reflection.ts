// The messages of gRPC's reflection service, and as much of a file's descriptor as it takes to find one by its symbols.

import { BYTES, INT32, type Kind, many, maybe, message, one, TEXT } from "./protobuf-table.ts";

/** The service in both of its versions, whose messages are the same. Source: grpc/grpc-proto, grpc/reflection. */
export const REFLECTION_SERVICES = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"];

/** ServerReflectionRequest; one of the last five is there. */
export const REFLECTION_REQUEST = message({
  host: one(1, TEXT),
  file_by_filename: maybe(3, TEXT),
  file_containing_symbol: maybe(4, TEXT),
  file_containing_extension: maybe(5, message({ containing_type: one(1, TEXT), extension_number: one(2, INT32) })),
  all_extension_numbers_of_type: maybe(6, TEXT),
  list_services: maybe(7, TEXT),
});

/** ServerReflectionResponse; one of the last four is there. The request comes back as it was sent. */
export const REFLECTION_ANSWER = message({
  valid_host: one(1, TEXT),
  original_request: one(2, BYTES),
  file_descriptor_response: maybe(4, message({ file_descriptor_proto: many(1, BYTES) })),
  all_extension_numbers_response: maybe(5, message({ base_type_name: one(1, TEXT), extension_number: many(2, INT32) })),
  list_services_response: maybe(6, message({ service: many(1, message({ name: one(1, TEXT) })) })),
  error_response: maybe(7, message({ error_code: one(1, INT32), error_message: one(2, TEXT) })),
});

const NAMED = message({ name: one(1, TEXT) });

/** A message and those within it, down to four levels: no file of ours goes deeper. */
const nesting = <N>(nested: Kind<N>) => message({ name: one(1, TEXT), nested: many(3, nested), enums: many(4, NAMED) });
const MESSAGE = nesting(nesting(nesting(NAMED)));

/** FileDescriptorProto. Source: protobuf, google/protobuf/descriptor.proto. */
const FILE = message({
  name: one(1, TEXT),
  package: one(2, TEXT),
  dependency: many(3, TEXT),
  messages: many(4, MESSAGE),
  enums: many(5, NAMED),
  services: many(6, message({ name: one(1, TEXT), methods: many(2, NAMED) })),
});

export interface ProtoFile {
  readonly name: string;
  /** The names of the files that it imports. */
  readonly imports: readonly string[];
  /** Full names of services. */
  readonly services: readonly string[];
  /** Full names of all that the file declares: services and their methods, messages and enums. */
  readonly symbols: readonly string[];
}

/** Reads FileDescriptorProto. @throws InferError invalid-argument for bytes that are none */
export function readProtoFile(descriptor: Uint8Array): ProtoFile {
  const file = FILE.decode(descriptor);
  const within = (scope: string, name: string) => (scope === "" ? name : `${scope}.${name}`);
  const services = file.services.map(({ name }) => within(file.package, name));
  const methods = file.services.flatMap(({ name, methods: own }) =>
    own.map((method) => `${within(file.package, name)}.${method.name}`),
  );
  const symbols = [
    ...services,
    ...methods,
    ...file.enums.map(({ name }) => within(file.package, name)),
    ...file.messages.flatMap((each) => symbolsOf(each, file.package)),
  ];
  return { name: file.name, imports: file.dependency, services, symbols };
}

interface Nested {
  readonly name: string;
  readonly nested?: readonly Nested[];
  readonly enums?: readonly { readonly name: string }[];
}

function symbolsOf({ name, nested = [], enums = [] }: Nested, scope: string): readonly string[] {
  const own = scope === "" ? name : `${scope}.${name}`;
  return [own, ...enums.map((each) => `${own}.${each.name}`), ...nested.flatMap((each) => symbolsOf(each, own))];
}
