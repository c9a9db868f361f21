// A histogram that is quick to count in: prom-client writes a text for every observation, to find the series by.

import type { Histogram as LibraryHistogram, MetricType, Registry } from "prom-client";

export interface HistogramOptions<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  /** Upper bounds, rising; the one above all of them is understood. */
  readonly buckets: readonly number[];
  readonly registers: readonly Registry[];
}

type Exposed = Awaited<ReturnType<LibraryHistogram["get"]>>;
type Value = Exposed["values"][number];

/** What was seen under one set of labels. */
interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Observations in each bucket alone, with those above the last bound at the end. */
  readonly counts: number[];
  sum: number;
}

/** Series by the value of one label after the other. */
type Branch = Map<string, Branch | Series>;

/** The library's types have numbers for the kinds of metrics, its code has words. */
const TYPE = "histogram" as unknown as MetricType;

/** Counts as prom-client's histogram does and is exposed by its registry, without its timers, exemplars and removal. */
export class Histogram<Label extends string> {
  readonly name: string;
  readonly #options: HistogramOptions<Label>;
  readonly #root: Branch = new Map();
  readonly #all: Series[] = [];

  constructor(options: HistogramOptions<Label>) {
    this.name = options.name;
    this.#options = options;
    // a registry asks a metric for no more than its name and `get`
    for (const registry of options.registers) registry.registerMetric(this as unknown as LibraryHistogram);
  }

  /** @throws TypeError when it is no finite number */
  observe(labels: Readonly<Record<Label, string>>, value: number): void {
    if (!Number.isFinite(value)) throw new TypeError(`expected a finite number for ${this.name}, got ${value}`);
    const series = this.#seriesOf(labels);
    const { buckets } = this.#options;
    let at = 0;
    while (at < buckets.length && value > (buckets[at] as number)) at += 1;
    (series.counts[at] as number) += 1;
    series.sum += value;
  }

  async get(): Promise<Exposed> {
    const { name, help } = this.#options;
    const values = this.#all.flatMap((series) => this.#valuesOf(series));
    return { name, help, type: TYPE, aggregator: "sum", collect() {}, values };
  }

  #seriesOf(labels: Readonly<Record<Label, string>>): Series {
    const { labelNames } = this.#options;
    const last = labelNames.length - 1;
    let branch = this.#root;
    for (let i = 0; i < last; i += 1) {
      const value = labels[labelNames[i] as Label];
      let next = branch.get(value) as Branch | undefined;
      if (next === undefined) {
        next = new Map();
        branch.set(value, next);
      }
      branch = next;
    }
    const value = labels[labelNames[last] as Label];
    const known = branch.get(value) as Series | undefined;
    if (known !== undefined) return known;
    const series = { labels: { ...labels }, counts: new Array(this.#options.buckets.length + 1).fill(0), sum: 0 };
    branch.set(value, series);
    this.#all.push(series);
    return series;
  }

  #valuesOf({ labels, counts, sum }: Series): Value[] {
    const { name, buckets } = this.#options;
    let count = 0;
    const bounds = counts.map((own, i) => {
      count += own;
      return { metricName: `${name}_bucket`, labels: { le: buckets[i] ?? "+Inf", ...labels }, value: count };
    });
    return [
      ...bounds,
      { metricName: `${name}_sum`, labels, value: sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
