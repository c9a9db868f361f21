// A backend of external servers: its pool, what its servers have, and what is known of their models.

import type { Backend, BackendContext, BackendModel, FollowedModel } from "../../core/backend.ts";
import type { Signature } from "../../core/model.ts";
import { completeSignature } from "../../core/signature.ts";
import type { Connection, Door } from "../connection.ts";
import { urlOf } from "./addresses.ts";
import { openCatalog } from "./catalog.ts";
import { controlOf } from "./control.ts";
import { discover, type Place, type Resolver } from "./discovery.ts";
import { type Clients, openDoor } from "./door.ts";
import { openEndpoint, type ServerEndpoint } from "./endpoint.ts";
import { openFollowed } from "./followed.ts";
import { openPool } from "./pool.ts";
import { openSignatures, type Signatures } from "./signatures.ts";
import { readTls } from "./tls.ts";
import type { EndpointsWord, SharedWords } from "./words.ts";

/** What stands between the frame and the world; tests bring their own. */
export interface Seams {
  readonly clients: Clients;
  readonly resolver: Resolver;
}

export interface ExternalOptions {
  readonly kind: string;
  readonly words: SharedWords;
  readonly endpoints: EndpointsWord;
  connect(door: Door): Connection;
}

/**
 * Opens at once, whether or not a server is there: the first questions go out in the background.
 *
 * @throws InferError invalid-argument for a file of `tls` that cannot be read
 */
export async function openExternal(options: ExternalOptions, context: BackendContext, seams: Seams): Promise<Backend> {
  const { kind, words } = options;
  const { name: backend, env } = context;
  const tls = await readTls(words.tls, context.baseDir);
  const declared = declaredIn(words);
  const followed = openFollowed(Object.keys(words.models));
  const catalog = openCatalog({ backend, env, sources: () => pool.list() });
  const signatures = openSignatures({
    backend,
    kind,
    env,
    catalog,
    tellers: () => pool.list().map(tellerOf),
    said: (model) => ({
      declared: declared.get(model) ?? followed.declared(model),
      batchDim: words.models[model]?.batchDim,
    }),
  });

  const open = (id: string, place: Place): ServerEndpoint => {
    const named = tls === undefined && place.serverName === undefined ? undefined : withName(tls, place);
    const door = openDoor({
      backend,
      endpoint: id,
      url: urlOf(place.address, { tls: words.tls !== undefined }),
      words,
      tls: named,
      env,
      run: context.run,
      clients: seams.clients,
      signature: signatures.get,
    });
    const connection = options.connect(door);
    const close = async () => {
      await connection.close();
      await door.close();
    };
    return openEndpoint({
      backend,
      id,
      place,
      connection,
      closeConnection: close,
      env,
      health: words.health,
      maxCalls: words.limits.inFlight,
      wanted: followed.names,
      looks: () => looksOf(pool.list()),
      changed: catalog.update,
      renewed: (models) => signatures.renew(models, id),
    });
  };
  const pool = openPool({ backend, env, open });
  pool.onChange(catalog.update);
  const watched = watchVersions({ catalog, signatures, names: followed.names });
  catalog.onChange(watched);
  const stopDiscovery = discover({
    backend,
    word: options.endpoints,
    env,
    resolver: seams.resolver,
    baseDir: context.baseDir,
    parseYaml: context.parseYaml,
    found: pool.follow,
  });

  return {
    name: backend,
    kind,
    catalog,
    endpoints: pool,
    metadata: signatures.get,
    get control() {
      return controlOf({ backend, catalog, endpoints: pool.list });
    },
    follow(model: FollowedModel) {
      const isNew = !followed.names().includes(model.name);
      const stop = followed.add(model);
      // a server that lists all its models has told of it already
      if (isNew) for (const one of pool.list()) if (one.look?.ready.has(model.name) !== true) one.lookNow();
      signatures.prepare(model.name);
      return stop;
    },
    async close() {
      stopDiscovery();
      signatures.close();
      await pool.close();
    },
  };
}

function declaredIn({ models }: SharedWords): ReadonlyMap<string, Signature> {
  return new Map(
    Object.entries(models).flatMap(([name, { signature }]) =>
      signature === undefined ? [] : [[name, completeSignature(signature)] as const],
    ),
  );
}

function withName(tls: Awaited<ReturnType<typeof readTls>>, { serverName }: Place) {
  return { ...(serverName === undefined ? {} : { serverName }), ...tls };
}

function tellerOf(endpoint: ServerEndpoint) {
  return {
    id: endpoint.id,
    healthy: endpoint.healthy,
    serves: endpoint.serves,
    metadata: (model: BackendModel, signal: AbortSignal) => endpoint.connection.metadata(model, signal),
  };
}

function looksOf(endpoints: readonly ServerEndpoint[]) {
  return endpoints.flatMap(({ look }) => (look === undefined ? [] : [look]));
}

interface Watched {
  readonly catalog: ReturnType<typeof openCatalog>;
  readonly signatures: Signatures;
  names(): readonly string[];
}

/** Signatures of wanted models are asked for as their versions come, and again when the versions are others. */
function watchVersions({ catalog, signatures, names }: Watched): () => void {
  const known = new Map<string, string>();
  return () => {
    for (const name of names()) {
      const versions = (catalog.ready(name) ?? []).join();
      if (known.get(name) === versions) continue;
      if (known.has(name)) signatures.forget(name);
      known.set(name, versions);
      signatures.prepare(name);
    }
  };
}
