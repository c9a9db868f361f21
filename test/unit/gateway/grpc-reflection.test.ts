// Reflection tells of every service over gRPC what its front has, with all that its files import.

import { expect, test } from "vitest";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import { protocols } from "../../../gateway/protocols/registry.ts";
import { REFLECTION_ANSWER, REFLECTION_REQUEST, readProtoFile } from "../../../wire/grpc-reflection.ts";

type Question = Partial<ReturnType<typeof REFLECTION_REQUEST.decode>>;

const NOTHING = {
  host: "",
  file_by_filename: undefined,
  file_containing_symbol: undefined,
  file_containing_extension: undefined,
  all_extension_numbers_of_type: undefined,
  list_services: undefined,
};

async function ask(question: Question) {
  const reflection = protocols.find(({ name }) => name === "grpc-reflection");
  const [route] = reflection?.routes ?? [];
  const body = (async function* () {
    yield REFLECTION_REQUEST.encode({ ...NOTHING, ...question });
  })();
  if (route === undefined) throw new Error("expected a route, got none");
  const reply = await route.handle({ body } as unknown as WireRequest, {} as Planes);
  for await (const message of reply.body as AsyncIterable<Uint8Array>) return REFLECTION_ANSWER.decode(message);
  throw new Error("expected an answer, got none");
}

/** The services that are asked, with their methods, by the registry. */
const SERVED = Map.groupBy(
  protocols
    .filter(({ listener, name }) => listener === "grpc" && name !== "grpc-reflection")
    .flatMap(({ routes }) => routes.map(({ path }) => path.slice(1).split("/") as [string, string])),
  ([service]) => service,
);

test("every service that is served is listed", async () => {
  const { list_services_response: listed } = await ask({ list_services: "*" });
  expect(listed?.service.map(({ name }) => name)).toEqual(expect.arrayContaining([...SERVED.keys()]));
});

test.each([...SERVED])("%s is told with its methods and all that its files import", async (service, paths) => {
  const { file_descriptor_response: told } = await ask({ file_containing_symbol: service });
  const files = (told?.file_descriptor_proto ?? []).map((bytes) => readProtoFile(bytes));
  const symbols = files.flatMap((file) => file.symbols);
  expect(symbols).toEqual(expect.arrayContaining(paths.map(([, method]) => `${service}.${method}`)));
  const names = new Set(files.map(({ name }) => name));
  expect(files.flatMap(({ imports }) => imports).filter((name) => !names.has(name))).toEqual([]);
});

test("what no file has is not found", async () => {
  const { error_response: error } = await ask({ file_containing_symbol: "tensorflow.serving.NoService" });
  expect(error).toEqual({ error_code: 5, error_message: 'no such symbol "tensorflow.serving.NoService"' });
});
