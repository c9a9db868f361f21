// The program on the client's core: loads a server and says how fast it answered.

import { type GrpcLoad, runGrpcLoad } from "../grpc-load.ts";
import { askOnce, type Load, runLoad } from "../load.ts";
import { type OpenLoad, runOpenLoad } from "../open-load.ts";
import { answer } from "../program.ts";

answer({
  start() {},
  stop() {},
  load: (load: Load) => runLoad(load),
  openLoad: (load: OpenLoad) => runOpenLoad(load),
  grpcLoad: (load: GrpcLoad) => runGrpcLoad(load),
  ask: ({ port, requests }: Pick<Load, "port" | "requests">) => askOnce(port, requests),
});
