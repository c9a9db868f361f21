// What one server does wrong with an inference over gRPC: what the client sees, what health says, and when it is over.

import { constants } from "node:http2";
import { afterEach, describe, expect, it } from "vitest";
import { DEADLINE_MS, openChaosGateway } from "../support/chaos.ts";
import { answerGrpc, framed, type GrpcSpoil, grpcAnswer, startChaosGrpc } from "../support/chaos-grpc.ts";
import { line } from "../support/chaos-http.ts";
import { until } from "../support/http-client.ts";

interface Row {
  readonly spoil: GrpcSpoil;
  /** What the client sees over REST. */
  readonly status: number;
  readonly endless?: true;
}

const { NGHTTP2_CANCEL, NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } =
  constants;

const rst = (code: number): GrpcSpoil => {
  return ({ stream }) => stream.close(code);
};

const status = (code: number, text: string): GrpcSpoil => {
  return ({ stream }) => answerGrpc(stream, undefined, code, text);
};

const says = (
  bytes: (x: readonly number[], id: string | undefined) => Buffer,
  trailers: Readonly<Record<string, string>>,
): GrpcSpoil => {
  return ({ stream, x, id }) => {
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.once("wantTrailers", () => stream.sendTrailers(trailers));
    stream.end(bytes(x, id));
  };
};

const TABLE: Readonly<Record<string, Row>> = {
  "takes the call and hangs": { spoil: () => {}, status: 504, endless: true },
  "ends the stream by RST_STREAM with INTERNAL_ERROR": { spoil: rst(NGHTTP2_INTERNAL_ERROR), status: 502 },
  "ends the stream by RST_STREAM with CANCEL": { spoil: rst(NGHTTP2_CANCEL), status: 503 },
  "ends the stream by RST_STREAM with REFUSED_STREAM": { spoil: rst(NGHTTP2_REFUSED_STREAM), status: 503 },
  "ends the stream by RST_STREAM with ENHANCE_YOUR_CALM": { spoil: rst(NGHTTP2_ENHANCE_YOUR_CALM), status: 503 },
  "says GOAWAY and answers all the same": {
    spoil: ({ session, right }) => {
      session.goaway(NGHTTP2_NO_ERROR);
      right();
      session.close();
    },
    status: 200,
  },
  "says GOAWAY with an error and ends the connection": {
    spoil: ({ session }) => {
      session.goaway(NGHTTP2_INTERNAL_ERROR);
      session.destroy();
    },
    status: 502,
  },
  "resets the connection": { spoil: ({ session }) => void session.socket.resetAndDestroy?.(), status: 503 },
  "answers half a message and OK": {
    spoil: says((x, id) => framed(grpcAnswer(x, id)).subarray(0, 9), { "grpc-status": "0" }),
    status: 502,
  },
  "answers OK without a message": { spoil: says(() => Buffer.alloc(0), { "grpc-status": "0" }), status: 502 },
  "answers a message that is no answer": {
    spoil: says(() => framed(Buffer.from("ffffffffff", "hex")), { "grpc-status": "0" }),
    status: 502,
  },
  "answers under another id": { spoil: ({ stream, x }) => answerGrpc(stream, grpcAnswer(x, "not-yours")), status: 502 },
  "answers another output": {
    spoil: ({ stream, x, id }) => answerGrpc(stream, grpcAnswer(x, id, "z")),
    status: 502,
  },
  "answers HTTP 200 with INTERNAL in the trailers": { spoil: status(13, "failed"), status: 502 },
  "answers a message and then UNAVAILABLE": {
    spoil: says((x, id) => framed(grpcAnswer(x, id)), { "grpc-status": "14" }),
    status: 503,
  },
  "answers UNAVAILABLE": { spoil: status(14, "no"), status: 503 },
  "answers RESOURCE_EXHAUSTED": { spoil: status(8, "full"), status: 503 },
};

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

describe("a server over gRPC that", () => {
  for (const [name, row] of Object.entries(TABLE)) {
    it(`${name} is ${row.status}, keeps its health, and is right again with the next answer`, async () => {
      const server = await startChaosGrpc();
      opened.push(server);
      const gateway = await openChaosGateway({ ports: [server.port], protocol: "grpc" });
      opened.push(gateway);
      const x = [7, -2];
      expect((await gateway.ask(x)).y).toEqual(line(x));
      server.spoil(row.spoil);
      const before = server.asks;
      const asked = gateway.ask(x);
      if (row.endless) {
        await until(() => server.asks > before);
        gateway.env.clock.advance(DEADLINE_MS);
      }
      const seen = await asked;
      expect([seen.status, seen.y]).toEqual([row.status, row.status === 200 ? line(x) : undefined]);
      server.spoil(undefined);
      await gateway.check();
      expect(gateway.health(server.port)).toBe("healthy");
      await until(async () => (await gateway.ask(x)).status === 200);
      expect((await gateway.ask(x)).y).toEqual(line(x));
      await until(() => server.open <= 1);
    });
  }
});
