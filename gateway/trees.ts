// The tree of services in force and those before it: each request finishes on the tree that it began with.

import type { Config } from "../config/config.ts";
import type { Env } from "../core/env.ts";
import type { Planes } from "../core/protocol.ts";
import { type Assembly, assemble } from "./assemble.ts";

/** A tree for as long as one request needs it. */
export interface Hold {
  readonly planes: Planes;
  /** The request has ended; more than once does no harm. */
  release(): void;
}

export interface Trees {
  readonly current: Assembly;
  /** The tree in force, for one request. */
  hold(): Hold;
  /**
   * Puts a tree for another config in place of the one in force: built whole beside it, swapped in one step. What is the
   * same in both goes on as it is; the rest of the old one is let go of when its last request has ended. Changes are made
   * one after the other.
   *
   * @throws InferError invalid-argument when the config makes no sense; then the tree in force stays
   */
  replace(config: Config): Promise<Assembly>;
  /** Lets go of the tree in force and waits for those before it. */
  close(): Promise<void>;
}

/** A tree and the requests on it. */
interface Tree {
  readonly assembly: Assembly;
  users: number;
  /** Resolves what waits for the last user. */
  unused: (() => void) | undefined;
}

/** How long a change waits for models that are loading, in milliseconds. */
const SETTLE_MS = 30_000;

export async function openTrees(config: Config, env: Env): Promise<Trees> {
  let current = treeOf(await assemble(config, env));
  let changing: Promise<unknown> = Promise.resolve();
  const old = new Set<Promise<void>>();

  const retire = async (tree: Tree): Promise<void> => {
    if (tree.users > 0) await new Promise<void>((resolve) => (tree.unused = resolve));
    await tree.assembly.close();
  };
  const change = async (next: Config): Promise<Assembly> => {
    const before = current;
    const assembly = await assemble(next, env, before.assembly);
    // what is still loading would be missing, or an older version would answer for it
    const limit = new Promise<void>((resolve) => env.clock.after(SETTLE_MS, resolve));
    await Promise.race([settled(assembly), limit]);
    await assembly.prepare();
    current = treeOf(assembly);
    const gone = retire(before).catch((error: unknown) =>
      env.log.error({ err: error }, "the tree before the last change could not be closed"),
    );
    old.add(gone);
    void gone.then(() => old.delete(gone));
    return assembly;
  };

  return {
    get current() {
      return current.assembly;
    },
    hold() {
      const tree = current;
      tree.users += 1;
      let held = true;
      return {
        planes: tree.assembly.planes,
        release() {
          if (!held) return;
          held = false;
          tree.users -= 1;
          if (tree.users === 0) tree.unused?.();
        },
      };
    },
    replace(next) {
      const changed = changing.then(() => change(next));
      changing = changed.catch(() => {});
      return changed;
    },
    async close() {
      await changing;
      await Promise.all([current.assembly.close(), ...old]);
    },
  };
}

function treeOf(assembly: Assembly): Tree {
  return { assembly, users: 0, unused: undefined };
}

/** Resolves when no model of the tree is loading: each is ready, or known not to be. */
export function settled(assembly: Assembly): Promise<void> {
  const isSettled = () =>
    assembly.backends.every((backend) => backend.catalog.list().every((status) => status.state !== "loading"));
  return new Promise((resolve) => {
    if (isSettled()) {
      resolve();
      return;
    }
    const stops = assembly.backends.map((backend) =>
      backend.catalog.onChange(() => {
        if (!isSettled()) return;
        for (const stopListening of stops) stopListening();
        resolve();
      }),
    );
  });
}
