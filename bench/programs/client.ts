// The program on the client's core: loads a server and says how fast it answered.

import { askOnce, type Load, runLoad } from "../load.ts";
import { answer } from "../program.ts";

answer({
  start() {},
  stop() {},
  load: (load: Load) => runLoad(load),
  ask: ({ port, requests }: Pick<Load, "port" | "requests">) => askOnce(port, requests),
});
