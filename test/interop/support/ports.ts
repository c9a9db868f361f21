// Ports for real servers, which must be told theirs before they start.

import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the range from which Linux takes the ports of outgoing connections, so that none of them is in the way later. */
const FIRST = 20_000;
const LAST = 31_999;
const TRIES = 200;

/** So many different ports of the loopback interface on which nobody listens now. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  for (let tries = 0; found.length < count; tries++) {
    if (tries === TRIES) throw new Error(`no ${count} free ports from ${FIRST} to ${LAST} after ${TRIES} tries`);
    const port = randomInt(FIRST, LAST + 1);
    if (!found.includes(port) && (await isFree(port))) found.push(port);
  }
  return found;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const listening = once(server.listen(port, "127.0.0.1"), "listening");
  try {
    await listening;
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
