// A backend of external servers: its pool, what its servers have, and what is known of their models.

import type { Backend, BackendContext, FollowedModel } from "../../core/backend.ts";
import type { Signature } from "../../core/model.ts";
import { completeSignature } from "../../core/signature.ts";
import type { Connection, Door } from "../connection.ts";
import type { WatchFolder } from "../onnx/watch.ts";
import type { RenewableTls } from "../tls.ts";
import { urlOf } from "./addresses.ts";
import { type LiveCatalog, openCatalog } from "./catalog.ts";
import { controlOf } from "./control.ts";
import { discover, type Place, type Resolver } from "./discovery.ts";
import { type Clients, openDoor } from "./door.ts";
import { openEndpoint, type ServerEndpoint } from "./endpoint.ts";
import { type Epochs, openEpochs } from "./epochs.ts";
import { type Followed, openFollowed } from "./followed.ts";
import type { Look } from "./looks.ts";
import { openNames } from "./names.ts";
import { openPool, type ServerPool } from "./pool.ts";
import { openSignatureWatch, type SignatureWatch } from "./signature-watch.ts";
import { openSignatures, type Signatures } from "./signatures.ts";
import type { Said, Teller } from "./telling.ts";
import { type LiveTls, openTls } from "./tls.ts";
import { openWarmth, type Warmth } from "./warmth.ts";
import type { EndpointsWord, SharedWords } from "./words.ts";

/** What stands between the frame and the world; tests bring their own. */
export interface Seams {
  readonly clients: Clients;
  readonly resolver: Resolver;
  /** Watches folders of files; the system's own when absent. */
  readonly watch?: WatchFolder;
}

export interface ExternalOptions {
  readonly kind: string;
  readonly words: SharedWords;
  readonly endpoints: EndpointsWord;
  connect(door: Door): Connection;
  /** See `Backend.signatures`. */
  readonly signatures?: boolean;
}

/**
 * Opens at once, whether or not a server is there: the first questions go out in the background.
 *
 * @throws InferError invalid-argument for a file of `tls` that cannot be read
 */
export async function openExternal(options: ExternalOptions, context: BackendContext, seams: Seams): Promise<Backend> {
  const { kind, words } = options;
  const { name: backend, env } = context;
  const warmth = await openWarmth(words.warmUp, context);
  // last of what may fail: from here on its files are followed
  const tls = await openTls(words.tls, {
    backend,
    env,
    baseDir: context.baseDir,
    ...(seams.watch === undefined ? {} : { watch: seams.watch }),
  });
  const followed = openFollowed(Object.keys(words.models));
  const epochs = openEpochs(crypto.randomUUID());
  const catalog = openCatalog({ backend, env, sources: () => pool.list() });
  const signatures = openSignatures({
    backend,
    kind,
    env,
    catalog,
    tellers: () => pool.list().map(tellerOf),
    said: sayings(words, followed),
  });
  const watch = openSignatureWatch({
    env,
    everyMs: words.health.every,
    servers: () => pool.list(),
    ask: signatures.askAt,
    changed(model, { server, difference }) {
      env.log.info({ backend, endpoint: server, model, difference }, "the model has another signature than before");
      // it may be a part of others
      epochs.endAll();
      signatures.forget(model);
    },
  });
  const frame: Frame = {
    options,
    context,
    seams,
    tls,
    followed,
    catalog,
    signatures,
    epochs,
    watch,
    warmth,
    looks: () => looksOf(pool.list()),
  };
  const pool = openPool({ backend, env, open: (id, place) => openServer(frame, id, place) });
  pool.onChange(catalog.update);
  catalog.onChange(versionWatch(frame));
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
    signatures: options.signatures ?? false,
    metadata: signatures.get,
    identity(model) {
      watch.use(model);
      return epochs.of(model.name);
    },
    get control() {
      // a model there may be a part of others, as in an ensemble: their answers change with it
      return controlOf({ backend, catalog, endpoints: pool.list, changing: epochs.endAll });
    },
    follow: (model) => follow(frame, pool, model),
    async close() {
      stopDiscovery();
      watch.close();
      signatures.close();
      await pool.close();
      await tls?.close();
    },
  };
}

/** What all endpoints of a backend are opened with. */
interface Frame {
  readonly options: ExternalOptions;
  readonly context: BackendContext;
  readonly seams: Seams;
  readonly tls: LiveTls | undefined;
  readonly followed: Followed;
  readonly catalog: LiveCatalog;
  readonly signatures: Signatures;
  readonly epochs: Epochs;
  readonly watch: SignatureWatch;
  readonly warmth: Warmth | undefined;
  looks(): Iterable<Look>;
}

function openServer(frame: Frame, id: string, place: Place): ServerEndpoint {
  const { options, context, followed, catalog, signatures } = frame;
  const { words } = options;
  const door = openDoor({
    backend: context.name,
    endpoint: id,
    ...urlAt(place, words),
    words,
    tls: renewable(frame.tls),
    env: context.env,
    run: context.run,
    clients: frame.seams.clients,
    signature: signatures.get,
  });
  const connection = options.connect(door);
  return openEndpoint({
    backend: context.name,
    id,
    place,
    connection,
    async closeConnection() {
      await connection.close();
      await door.close();
    },
    env: context.env,
    health: words.health,
    maxCalls: words.limits.inFlight,
    limit: words.limit,
    names: openNames({
      env: context.env,
      known: signatures.peek,
      ask: (model) => signatures.askAt(id, model),
      renewed(model) {
        context.env.log.info({ backend: context.name, endpoint: id, model }, "the model has other outputs than before");
        frame.epochs.end(model);
        signatures.forget(model);
      },
    }),
    ...frame.warmth?.of({ endpoint: id, connection, signature: (name, signal) => signatures.get({ name }, signal) }),
    wanted: followed.names,
    looks: frame.looks,
    changed: catalog.update,
    unreached: frame.epochs.endAll,
    renewed(models) {
      for (const model of models) frame.epochs.end(model);
      frame.watch.renewed(id, models);
      signatures.renew(models, id);
    },
  });
}

/** Where it is called what it is called, and where that was found. */
function urlAt({ address, foundAs }: Place, words: SharedWords): { readonly url: URL; readonly address?: string } {
  const tls = words.tls !== undefined;
  if (foundAs === undefined) return { url: urlOf(address, { tls }) };
  return { url: urlOf({ ...address, host: foundAs }, { tls }), address: address.host };
}

function renewable(tls: LiveTls | undefined): RenewableTls {
  return tls === undefined ? {} : { tls: tls.now, onTls: (renew) => tls.onChange(() => renew(tls.now)) };
}

function follow({ followed, signatures, epochs }: Frame, pool: ServerPool, model: FollowedModel): () => void {
  const isNew = !followed.names().includes(model.name);
  const stop = followed.add(model);
  // a server that lists all its models has told of it already
  if (isNew) for (const one of pool.list()) if (one.look?.ready.has(model.name) !== true) one.lookNow();
  if (model.declared !== undefined) {
    epochs.end(model.name);
    signatures.redeclare(model.name);
  }
  signatures.prepare(model.name);
  return stop;
}

/** What the config says of a model: under the backend, or else under a logical model. */
function sayings(words: SharedWords, followed: Followed): (model: string) => Said {
  const models = new Map(Object.entries(words.models));
  const declared = declaredIn(words);
  return (model) => ({
    declared: declared.get(model) ?? followed.declared(model),
    batchDim: models.get(model)?.batchDim,
  });
}

function declaredIn({ models }: SharedWords): ReadonlyMap<string, Signature> {
  return new Map(
    Object.entries(models).flatMap(([name, { signature }]) =>
      signature === undefined ? [] : [[name, completeSignature(signature)] as const],
    ),
  );
}

function tellerOf(endpoint: ServerEndpoint): Teller {
  return {
    id: endpoint.id,
    healthy: endpoint.healthy,
    serves: endpoint.serves,
    metadata: (model, signal) => endpoint.connection.metadata(model, signal),
  };
}

function looksOf(endpoints: readonly ServerEndpoint[]): readonly Look[] {
  return endpoints.flatMap(({ look }) => (look === undefined ? [] : [look]));
}

/** Signatures of wanted models are asked for as their versions come, and again when the versions are others. */
function versionWatch({ catalog, signatures, followed, epochs }: Frame): () => void {
  const known = new Map<string, string>();
  return () => {
    for (const name of followed.names()) {
      const versions = (catalog.ready(name) ?? []).join();
      if (known.get(name) === versions) continue;
      epochs.end(name);
      if (known.has(name)) signatures.forget(name);
      known.set(name, versions);
      signatures.prepare(name);
    }
  };
}
