// Who is a tester: callers from the networks, and of the tenants, that the config lists.

import { BlockList } from "node:net";
import type { Testers } from "../config/config.ts";
import type { Caller } from "../core/protocol.ts";

/** Nobody where the config lists none. */
export function openTesters(testers: Testers | undefined): (caller: Caller) => boolean {
  if (testers === undefined) return () => false;
  const networks = new BlockList();
  for (const { address, prefix, family } of testers.peers) networks.addSubnet(address, prefix, family);
  const tenants = new Set(testers.tenants);
  return ({ peer, tenant }) => {
    if (tenant !== undefined && tenants.has(tenant)) return true;
    // a listener on both families sees IPv4 clients as ::ffff:a.b.c.d
    const address = peer.startsWith("::ffff:") && peer.includes(".") ? peer.slice("::ffff:".length) : peer;
    return address !== "" && networks.check(address, address.includes(":") ? "ipv6" : "ipv4");
  };
}
