// The workers of a pool over time: spawned, given their sessions, replaced when lost, ended between runs.

import type { Env } from "../../core/env.ts";
import { asInferError, InferError } from "../../core/error.ts";
import { type Link, openLink } from "./link.ts";
import type { FromWorker, SessionFacts, SessionOptions, WeightsFile } from "./messages.ts";
import type { Ending, SpawnWorker } from "./port.ts";

/** A session to be had by some of the workers. */
export interface SessionSpec {
  /** Unique: a replaced file is another session. */
  readonly session: string;
  readonly path: string;
  readonly weights: readonly WeightsFile[];
  readonly options: SessionOptions;
  /** How many of the workers load it. */
  readonly workers: number;
  /** What one worker needs for it; the fewest bytes get the next session. */
  readonly bytes: number;
  /** Whether the files are still those that the session stands for; asked after every load. */
  unchanged(): Promise<boolean>;
  /** Runs in a worker before that worker counts. */
  warmUp(link: Link, facts: SessionFacts): Promise<void>;
}

export interface CrewEvents {
  /** A worker may be able to take a run now. */
  changed(): void;
  ran(link: Link, message: Extract<FromWorker, { type: "answered" | "refused" }>): void;
  skipped(buffer: ArrayBuffer | undefined): void;
  /** A worker could not load a session: those who wait for it may wait for nobody. */
  loadFailed(): void;
  /** A worker ended that should not have; it is no longer among the links. */
  lost(link: Link, ending: Ending): void;
}

export interface CrewOptions {
  readonly backend: string;
  readonly size: number;
  readonly spawn: SpawnWorker;
  readonly env: Env;
}

export interface Crew {
  /** The workers that are counted on, starting ones too. */
  links(): readonly Link[];
  /** Whether some worker has the session, or is getting it. */
  canServe(session: string): boolean;
  /** Loads the session into its workers, one before the others, and answers when all have settled. @throws InferError with the reason */
  load(spec: SessionSpec): Promise<SessionFacts>;
  unload(session: string): Promise<void>;
  /** Counts the worker as lost although it is still inside a run, and puts another in its place. */
  giveUp(link: Link): void;
  /** Says that the worker does its work: its place has no history of crashes. */
  proved(link: Link): void;
  /** Ends every worker between runs; answers when all have ended. */
  end(): Promise<void>;
}

/** Restarts after crashes: the first at once, then from this, doubling, with jitter. */
const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 30_000;
/** A worker that lived so long crashed for a reason of its own. */
const LONG_LIFE_MS = 60_000;

interface Place {
  link: Link | undefined;
  crashes: number;
  stopWait: (() => void) | undefined;
}

interface Wanted {
  readonly spec: SessionSpec;
  readonly places: readonly Place[];
}

export function openCrew(options: CrewOptions, events: CrewEvents): Crew {
  const { backend, size, env } = options;
  const places: Place[] = Array.from({ length: size }, () => ({ link: undefined, crashes: 0, stopWait: undefined }));
  const wanted = new Map<string, Wanted>();
  const living = new Set<Link>();
  /** Given up inside a run and not ended yet: as many as there are places, then no more replacements. */
  const zombies = new Set<Link>();
  /** Those in the places, which are asked for with each request. */
  let links: readonly Link[] = [];
  let lastId = 0;
  let ending: PromiseWithResolvers<void> | undefined;

  const placeOf = (link: Link) => places.find((place) => place.link === link);
  const linkOf = (place: Place | undefined): Link => {
    if (place?.link !== undefined) return place.link;
    throw new InferError("unavailable", "its workers are being replaced", { retryable: "later" });
  };

  function seat(place: Place, link: Link | undefined): void {
    place.link = link;
    links = places.flatMap((each) => each.link ?? []);
  }

  function spawn(place: Place): void {
    lastId += 1;
    const id = lastId;
    const port = options.spawn(`onnx-${backend}-${id}`);
    const link = openLink(id, port, {
      now: env.clock.now(),
      events: { ready: onReady, ran: events.ran, skipped: events.skipped, ended: onEnded },
    });
    living.add(link);
    seat(place, link);
    env.emit({ type: "worker-started", backend, worker: id });
    for (const entry of wanted.values())
      if (entry.places.includes(place)) void loadInto(link, entry.spec).catch(() => {});
  }

  function onReady(link: Link): void {
    env.emit({ type: "worker-ready", backend, worker: link.id });
    events.changed();
  }

  function onEnded(link: Link, how: Ending): void {
    const wasStarting = link.state === "starting";
    const givenUp = link.state === "lost";
    link.state = "ended";
    link.stopTimer?.();
    living.delete(link);
    if (ending !== undefined) {
      if (!givenUp) events.lost(link, how);
      if (living.size === 0) ending.resolve();
      return;
    }
    if (givenUp) {
      if (zombies.delete(link)) for (const place of places) refill(place);
      return;
    }
    const reason = wasStarting ? "start-failed" : how.how;
    env.emit({ type: "worker-lost", backend, worker: link.id, reason });
    env.log.warn({ backend, worker: link.id, reason: how.reason }, "an onnx worker was lost");
    const place = placeOf(link);
    if (place !== undefined) {
      seat(place, undefined);
      replaceAfterCrash(place, link);
    }
    events.lost(link, how);
  }

  function replaceAfterCrash(place: Place, link: Link): void {
    if (env.clock.now() - link.startedAt > LONG_LIFE_MS) place.crashes = 0;
    place.crashes += 1;
    if (place.crashes === 1) {
      refill(place);
      return;
    }
    const full = Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** (place.crashes - 2));
    place.stopWait = env.clock.after(full * (0.5 + env.random() / 2), () => {
      place.stopWait = undefined;
      refill(place);
    });
  }

  function refill(place: Place): void {
    if (place.link !== undefined || place.stopWait !== undefined || ending !== undefined) return;
    if (zombies.size <= size) spawn(place);
  }

  function loadInto(link: Link, spec: SessionSpec): Promise<SessionFacts> {
    const known = link.loads.get(spec.session);
    if (known !== undefined) return known;
    // one after the other: a warm-up is a run like any other, and a worker has one at a time
    const before = Promise.allSettled([link.started, ...link.loads.values()]);
    const work = before.then(() => loadNow(link, spec));
    link.loads.set(spec.session, work);
    work.catch((error) => {
      link.loads.delete(spec.session);
      const reason = asInferError(error).message;
      env.log.warn({ backend, worker: link.id, session: spec.session, reason }, "a worker could not load a model");
      events.loadFailed();
    });
    return work;
  }

  async function loadNow(link: Link, spec: SessionSpec): Promise<SessionFacts> {
    const { session, path, weights, options: sessionOptions } = spec;
    await link.started;
    link.controls += 1;
    try {
      const { facts } = await link.ask({ type: "load", session, path, weights, options: sessionOptions });
      if (facts === undefined) throw new InferError("internal", "the worker said nothing of the session");
      if (!(await spec.unchanged())) throw new InferError("unavailable", "its files changed while they were loaded");
      await spec.warmUp(link, facts);
      link.sessions.add(session);
      return facts;
    } catch (error) {
      link.ask({ type: "unload", session }).catch(() => {});
      throw error;
    } finally {
      link.controls -= 1;
      events.changed();
    }
  }

  // the places with the fewest bytes to hold, so that models that want few workers spread
  function choosePlaces(count: number): readonly Place[] {
    const load = (place: Place) =>
      [...wanted.values()].reduce((sum, entry) => sum + (entry.places.includes(place) ? entry.spec.bytes : 0), 0);
    const byLoad = places.map((place) => ({ place, bytes: load(place), away: place.link === undefined ? 1 : 0 }));
    byLoad.sort((a, b) => a.away - b.away || a.bytes - b.bytes);
    return byLoad.slice(0, Math.min(count, size)).map(({ place }) => place);
  }

  async function load(spec: SessionSpec): Promise<SessionFacts> {
    const chosen = choosePlaces(spec.workers);
    // alone at first: what cannot load harms one worker, and nothing is wanted yet
    const facts = await loadInto(linkOf(chosen[0]), spec);
    const serving = wanted.size > 0;
    wanted.set(spec.session, { spec, places: chosen });
    const rest = chosen.slice(1).flatMap((place) => (place.link === undefined ? [] : [place.link]));
    if (serving) {
      // a worker runs nothing while it loads: the others go on meanwhile
      for (const link of rest) await loadInto(link, spec).catch(() => {});
    } else {
      await Promise.allSettled(rest.map((link) => loadInto(link, spec)));
    }
    return facts;
  }

  async function unload(session: string): Promise<void> {
    wanted.delete(session);
    const having = [...living].filter((link) => link.loads.has(session) && link.state !== "lost");
    for (const link of having) {
      link.sessions.delete(session);
      link.loads.delete(session);
    }
    await Promise.allSettled(having.map((link) => link.ask({ type: "unload", session })));
  }

  for (const place of places) spawn(place);

  return {
    links: () => links,
    canServe: (session) => wanted.get(session)?.places.some((place) => place.link?.loads.has(session)) ?? false,
    load,
    unload,
    giveUp(link) {
      const place = placeOf(link);
      if (place === undefined) return;
      seat(place, undefined);
      link.state = "lost";
      env.emit({ type: "worker-lost", backend, worker: link.id, reason: "run-timeout" });
      env.log.error({ backend, worker: link.id }, "an onnx worker was given up: its run went on past runTimeout");
      if (link.port.kill !== undefined) link.port.kill();
      else {
        zombies.add(link);
        link.port.post({ type: "exit" });
      }
      refill(place);
    },
    proved(link) {
      const place = placeOf(link);
      if (place !== undefined) place.crashes = 0;
    },
    async end() {
      ending ??= Promise.withResolvers();
      for (const place of places) place.stopWait?.();
      for (const link of living) link.port.post({ type: "exit" });
      if (living.size === 0) ending.resolve();
      await ending.promise;
    },
  };
}
