// A bare server of @grpc/grpc-js that answers every message with the same bytes: what a server on this library can do at best.

import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { answer } from "../program.ts";

const same = (bytes: Buffer) => bytes;
const server = new Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
let port = 0;

answer({
  start() {
    const path = "/bench.Echo/Echo";
    const how = {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    server.addService(
      { Echo: how },
      { Echo: ({ request }: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) => done(null, request) },
    );
    return new Promise<void>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
        port = bound;
        if (error === null) resolve();
        else reject(error);
      });
    });
  },
  port: () => port,
  stop: () => server.forceShutdown(),
});
