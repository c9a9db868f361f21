// Requests of several rows before a cache, answered by the model of batch tests where it is asked.

import { expect } from "vitest";
import type { Reply } from "../../core/request.ts";
import { answerTo, intsOf, METADATA, rowsOfInts } from "./batch-model.ts";
import { type CacheAsk, type CacheBench, type CacheBenchInit, openCacheBench, settle } from "./cache.ts";
import { type Asked, requestFor } from "./scripted.ts";

/** A cache that looks rows up one by one. */
export function openRowBench(init: CacheBenchInit = {}): CacheBench {
  const metadata = { ...METADATA, ...init.metadata };
  return openCacheBench({ words: { ttl: "10s", rows: true }, ...init, metadata });
}

/** A request of a row for each value. */
export const rows = (...values: readonly number[]): CacheAsk => ({ request: { inputs: [rowsOfInts(values)] } });

/** The outputs, in a form that can be compared. */
export const textOf = (reply: Reply) =>
  reply.kind === "whole"
    ? reply.outputs.map(({ name, shape, data }) => `${name}[${shape}] ${Buffer.from(data).toString("hex")}`)
    : [];

/** What the model says of these rows. */
export const wantOf = (values: readonly number[]) =>
  textOf(answerTo(requestFor("m", { inputs: [rowsOfInts(values)] })));

/** Asks, lets the model answer if it is asked, and tells for which rows it was. */
export async function askRows(bench: CacheBench, what: CacheAsk) {
  const asking = bench.ask(what);
  await settle();
  let asked: readonly number[] = [];
  if (bench.handle.waiting > 0) {
    const { request, reply } = await bench.handle.next();
    const [input] = request.inputs;
    asked = input === undefined ? [] : intsOf(input);
    reply(answerTo(request));
  }
  return { text: textOf(await asking.answer), asked, said: asking.said(), facts: asking.call.trace.facts };
}

/** The model is asked now: for which rows, and the way to answer. */
export async function askedRows(bench: CacheBench) {
  await settle();
  expect(bench.handle.waiting).toBeGreaterThan(0);
  const one = await bench.handle.next();
  return { values: valuesOf(one), answer: () => one.reply(answerTo(one.request)), one };
}

/** The rows that it was asked for. */
export const valuesOf = ({ request }: Asked) => request.inputs.flatMap(intsOf);
