// GetModelMetadata and GetModelStatus: the signatures of a model and the states of its versions.

import { invalid } from "../../../core/error.ts";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import {
  decodeMetadataRequest,
  decodeStatusRequest,
  encodeMetadata,
  encodeStatus,
} from "../../../wire/tfs-proto-documents.ts";
import { tfsSignaturesOf } from "../../../wire/tfs-signatures.ts";
import { messageOf } from "../grpc-status.ts";
import { inWords, noStatus } from "../tfs/faults.ts";
import { statusOf } from "../tfs/status.ts";
import { isNumber, modelOf } from "./replies.ts";

/** The one field of metadata that there is. */
const SIGNATURE_DEF = "signature_def";

export async function modelMetadata(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { model, fields } = decodeMetadataRequest(messageOf(wire));
  const ref = modelOf(model);
  if (fields.length === 0) throw invalid("GetModelMetadataRequest must specify at least one metadata_field");
  const other = fields.find((field) => field !== SIGNATURE_DEF);
  if (other !== undefined) throw invalid(`Metadata field ${other.slice(0, 64)} is not supported`);
  try {
    const told = await planes.data.signature(ref, wire.signal);
    return encodeMetadata({ name: told.name, version: told.version, signatures: tfsSignaturesOf(told) });
  } catch (error) {
    throw inWords(error, ref);
  }
}

/** Versions that are no numbers, which other servers have, are left out. */
export async function modelStatus(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const model = modelOf(decodeStatusRequest(messageOf(wire)));
  const versions = statusOf(planes, model).filter(({ version }) => isNumber(version));
  if (versions.length === 0) throw noStatus(model);
  return encodeStatus(versions);
}
