// Regions of system shared memory as both fronts of Triton's tell of them.

import { invalid } from "../../../core/error.ts";
import type { Region, Regions } from "../../../core/operator.ts";

/** The region of that name, or all. @throws InferError invalid-argument for a name that is not there, in Triton's words */
export function regionNamed(regions: Regions, name: string | undefined): readonly Region[] {
  const all = regions.list();
  if (name === undefined) return all;
  const found = all.filter((region) => region.name === name);
  if (found.length === 0) throw invalid(`Unable to find system shared memory region: '${name}'`);
  return found;
}
