// What servers of the Open Inference Protocol cannot take, refused before it is sent.

import { InferError } from "../../core/error.ts";
import { bytesElements, type Datatype, type Tensor } from "../../core/tensor.ts";
import { isDue, openPace, type Sliced } from "../../wire/sliced.ts";
import { findInvalidUtf8 } from "../../wire/utf8.ts";

/** @throws InferError unsupported for an input of a datatype that the server lacks, naming both */
export function checkDatatypes(inputs: readonly Tensor[], lacks: readonly Datatype[]): void {
  if (lacks.length === 0) return;
  for (const { name, datatype } of inputs) {
    if (lacks.includes(datatype)) {
      const carrier = "Triton's Open Inference Protocol carries it";
      throw new InferError("unsupported", `input "${name}": the backend's server has no ${datatype}; ${carrier}`);
    }
  }
}

/** @throws InferError unsupported for an input with an element that is not UTF-8, naming both */
export function* checkTexts(inputs: readonly Tensor[]): Sliced<void> {
  const pace = openPace({});
  for (const { name, datatype, data } of inputs) {
    if (datatype !== "BYTES") continue;
    let index = 0;
    for (const element of bytesElements(data)) {
      if ((yield* findInvalidUtf8(element)) >= 0) throw notText(name, index);
      if (isDue(pace, element.byteLength + 64)) yield;
      index += 1;
    }
  }
}

function notText(name: string, index: number): InferError {
  const said = "not UTF-8, which the backend's server does not read over HTTP; the backend's protocol: grpc carries it";
  return new InferError("unsupported", `input "${name}": element ${index} is ${said}`);
}
