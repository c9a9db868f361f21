// The OpenAPI document and its page, as a whole gateway serves them, held to the tables that they are made of.

import { afterAll, beforeAll, expect, test } from "vitest";
import { templateOf } from "../../../gateway/protocols/openapi/document.ts";
import { protocols } from "../../../gateway/protocols/registry.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { fakeBackend } from "../../support/gateway-fake-backend.ts";

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { example: unknown }>> }>>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let gateway: TestGateway;
let document: Document;

beforeAll(async () => {
  gateway = await startGateway({ yaml: "backends: {f: {kind: fake}}", kinds: [fakeBackend().kind] });
  document = (await gateway.ask({ path: "/openapi.json" })).json<Document>();
});

afterAll(() => gateway.close());

const rest = protocols.filter(({ listener }) => listener === "http");
const routes = rest.flatMap(({ name, routes: table }) => table.map((route) => ({ ...route, protocol: name })));

test("every REST route of every protocol is in the document, and nothing else", () => {
  const told = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { tags }]) => `${method.toUpperCase()} ${path} ${tags.join()}`),
  );
  const served = routes
    .filter(({ path }) => !path.includes("*"))
    .map(({ method, path, protocol }) => `${method} ${templateOf(path)} ${protocol}`);
  expect(told.toSorted()).toEqual(served.toSorted());
});

test("operations have ids of their own and say each part of their path", () => {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation })),
  );
  expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  for (const { path, parameters = [] } of operations) {
    expect(parameters.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
    expect(parameters.every((one) => one.in === "path" && one.required)).toBe(true);
  }
});

test.each([
  ["/v1/models/:model:predict", "/v1/models/{model}:predict"],
  ["/v2/models/:model/versions/:version/infer", "/v2/models/{model}/versions/{version}/infer"],
  ["/", "/"],
])("%s is %s", (path, template) => {
  expect(templateOf(path)).toBe(template);
});

test("errors are the protocols' own, written by them", () => {
  const torchserve = document.paths["/predictions/{model}"]?.post?.responses["413"]?.content;
  expect(torchserve).toEqual({
    "application/json": { example: { code: 413, type: "BadRequestException", message: expect.any(String) } },
  });
  const sagemaker = document.paths["/endpoints/{endpoint}/invocations"]?.post?.responses["424"]?.content;
  expect(sagemaker).toEqual({
    "application/json": { example: expect.objectContaining({ __type: "ModelError", OriginalStatusCode: 504 }) },
  });
});

test("OPTIONS / describes the gateway as TorchServe does itself", async () => {
  const answer = await gateway.ask({ path: "/", method: "OPTIONS" });
  expect([answer.status, answer.json<Document>()]).toEqual([200, document]);
  expect(document).toMatchObject({ openapi: "3.1.0", info: { version: expect.stringMatching(/^\d/) } });
});

test("the page names nothing that lies elsewhere", async () => {
  const answer = await gateway.ask({ path: "/docs" });
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
  expect(`${answer.body}`.match(/(?:https?:)?\/\/[a-z]/g)).toBeNull();
  expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
});
