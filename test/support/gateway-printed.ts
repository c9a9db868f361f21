// A gateway whose model answers what the test says and keeps what it was asked, spoken to in bytes as documents print them.

import { afterEach, beforeEach } from "vitest";
import type { Call } from "../../core/call.ts";
import type { TensorSpec } from "../../core/model.ts";
import type { InferRequest } from "../../core/request.ts";
import type { Tensor } from "../../core/tensor.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { type FakeBackend, fakeBackend } from "./gateway-fake-backend.ts";
import { type RawAnswer, rawSocket } from "./raw-socket.ts";
import { wholeReply } from "./scripted.ts";

export interface Asked {
  readonly request: InferRequest;
  readonly call: Call;
}

export interface Printed {
  /** What the models were asked in this test, in turn. */
  readonly asked: readonly Asked[];
  /** A model that answers these outputs whatever it is asked. */
  model(
    name: string,
    outputs: readonly Tensor[],
    more?: { readonly version?: string; readonly inputs?: readonly TensorSpec[] },
  ): void;
  /** Sends bytes as they stand in a document: `<n>` in the head is the length of the body behind the empty line. */
  send(head: string, body: string | Uint8Array): Promise<RawAnswer>;
}

/** One gateway a test. */
export function printedGateway(): Printed {
  let fake: FakeBackend;
  let gateway: TestGateway;
  const asked: Asked[] = [];
  beforeEach(async () => {
    fake = fakeBackend();
    asked.length = 0;
    gateway = await startGateway({ yaml: "backends: {local: {kind: fake}}", kinds: [fake.kind] });
  });
  afterEach(() => gateway.close());
  return {
    asked,
    model(name, outputs, { version = "1", inputs = [] } = {}) {
      fake.put(name, version, {
        inputs,
        service: async (request, call) => {
          asked.push({ request, call });
          return wholeReply(name, version, { outputs });
        },
      });
    },
    async send(head, body) {
      const socket = await rawSocket(gateway.port);
      const bytes = Buffer.from(body);
      const lines = head.trim().replace("<n>", String(bytes.byteLength)).replaceAll("\n", "\r\n");
      socket.send(Buffer.concat([Buffer.from(`${lines}\r\n\r\n`), bytes]));
      const answer = await socket.answer();
      socket.reset();
      return answer;
    },
  };
}

/** Bytes as documents print them. */
export const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
