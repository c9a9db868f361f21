// AWS's own client for JavaScript before a model of another server: what it asks of local models, it is told of those too.

import { InvokeEndpointCommand, SageMakerRuntimeClient } from "@aws-sdk/client-sagemaker-runtime";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backendKinds } from "../../../backends/registry.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { until } from "../../support/http-client.ts";

const FLOWERS = "5.1,3.5,1.4,0.2\n6.7,3.0,5.2,2.3\n";

let there: TestGateway;
let gateway: TestGateway;
let client: SageMakerRuntimeClient;
beforeAll(async () => {
  there = await startGateway({ yaml: "backends: {local: {kind: onnx, repository: ./models}}", kinds: backendKinds });
  gateway = await startGateway({
    yaml: `
backends:
  there: {kind: triton, protocol: grpc, endpoints: ["127.0.0.1:${there.grpcPort}"]}
  local: {kind: onnx, repository: ./models}
models:
  remote: {backend: there, model: iris}
  local: {backend: local, model: iris}
`,
    kinds: backendKinds,
  });
  await until(async () => (await gateway.ask({ path: "/v2/models/remote/ready" })).status === 200, 20_000);
  client = new SageMakerRuntimeClient({
    endpoint: `http://127.0.0.1:${gateway.port}`,
    region: "eu-central-1",
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
    maxAttempts: 1,
  });
});
afterAll(async () => {
  client.destroy();
  await gateway.close();
  await there.close();
});

const invoke = async (EndpointName: string, ContentType: string, Body: string) => {
  const answer = await client.send(new InvokeEndpointCommand({ EndpointName, ContentType, Body }));
  return { type: answer.ContentType, variant: answer.InvokedProductionVariant, body: answer.Body?.transformToString() };
};

test("CSV and JSON are answered with the same bytes as by a local model", async () => {
  for (const [type, body] of [
    ["text/csv", FLOWERS],
    ["application/json", '{"instances": [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]}'],
  ] as const) {
    const remote = await invoke("remote", type, body);
    expect(remote).toEqual(await invoke("local", type, body));
    expect(remote.body?.length).toBeGreaterThan(0);
  }
});

test("a table that does not fit is the client's fault, in AWS's shape", async () => {
  await expect(invoke("remote", "text/csv", "1,2\n")).rejects.toMatchObject({
    name: "ValidationError",
    $metadata: { httpStatusCode: 400 },
  });
});
