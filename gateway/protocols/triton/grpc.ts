// Triton's extensions over gRPC: config, statistics, settings of log and trace, shared memory.

import { InferError, invalid } from "../../../core/error.ts";
import type { Region, SettingValue } from "../../../core/operator.ts";
import type { Planes, WireRequest } from "../../../core/protocol.ts";
import { encodeConfig } from "../../../wire/model-config.ts";
import {
  CUDA_STATUS,
  LOG_SETTINGS,
  MODEL_NAME,
  NOTHING,
  REGION_NAME,
  SYSTEM_REGISTER,
  SYSTEM_STATUS,
  TRACE_SETTING,
} from "../../../wire/oip-proto-service.ts";
import { messageOf } from "../grpc-status.ts";
import { checkChange, refuseCuda, regionsOf } from "./allowed.ts";
import { configOf } from "./repository.ts";
import { regionNamed } from "./shared-memory.ts";
import { statisticsMessage } from "./statistics.ts";

type Answering = (wire: WireRequest, planes: Planes) => Promise<Uint8Array>;

/** The calls by their names. */
export const tritonCalls: readonly (readonly [string, Answering])[] = [
  ["ModelConfig", modelConfig],
  ["ModelStatistics", modelStatistics],
  ["TraceSetting", traceSetting],
  ["LogSettings", logSettings],
  ["SystemSharedMemoryStatus", sharedMemoryStatus],
  ["SystemSharedMemoryRegister", registerRegion],
  ["SystemSharedMemoryUnregister", unregisterRegion],
  ["CudaSharedMemoryStatus", async () => CUDA_STATUS.encode({ regions: new Map() })],
  ["CudaSharedMemoryRegister", async () => refuseCuda()],
  // there is none to be forgotten; Triton's examples begin with this
  ["CudaSharedMemoryUnregister", async () => NOTHING.encode({})],
];

async function modelConfig(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name, version } = MODEL_NAME.decode(messageOf(wire));
  return encodeConfig(await configOf(planes, { name, version, signal: wire.signal }));
}

async function modelStatistics(wire: WireRequest, { operator }: Planes): Promise<Uint8Array> {
  const { name, version } = MODEL_NAME.decode(messageOf(wire));
  return statisticsMessage(operator.statistics(given(name), given(version)));
}

function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/** Settings in the request are changed; the answer has all of them as they are then. */
async function traceSetting(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { settings, model_name } = TRACE_SETTING.decode(messageOf(wire));
  const model = given(model_name);
  if (model !== undefined && !planes.data.models().includes(model)) {
    throw new InferError("not-found", `model "${model}" is not known`);
  }
  if (settings.size > 0) {
    checkChange(planes, "trace settings");
    // without a value a setting is taken back
    const changes = [...settings].map(([word, { value }]) => [word, value.length === 0 ? undefined : value] as const);
    planes.operator.trace.change(new Map(changes), model);
  }
  const all = [...planes.operator.trace.get(model)].map(([word, value]) => [word, { value }] as const);
  return TRACE_SETTING.encode({ settings: new Map(all) });
}

async function logSettings(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { settings } = LOG_SETTINGS.decode(messageOf(wire));
  if (settings.size > 0) {
    checkChange(planes, "log settings");
    const changes = [...settings].map(([word, { bool_param, uint32_param, string_param }]) => {
      const value: SettingValue | undefined = bool_param ?? uint32_param ?? string_param;
      if (value === undefined) throw invalid(`setting "${word}": expected a value, got none`);
      return [word, value] as const;
    });
    planes.operator.log.change(new Map(changes));
  }
  const all = [...planes.operator.log.get()].map(([word, value]) => [word, parameter(value)] as const);
  return LOG_SETTINGS.encode({ settings: new Map(all) });
}

function parameter(value: SettingValue) {
  return {
    bool_param: typeof value === "boolean" ? value : undefined,
    uint32_param: typeof value === "number" ? value : undefined,
    string_param: typeof value === "string" ? value : undefined,
  };
}

async function sharedMemoryStatus(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name } = REGION_NAME.decode(messageOf(wire));
  const regions = regionNamed(regionsOf(planes), given(name)).map((region) => [region.name, message(region)] as const);
  return SYSTEM_STATUS.encode({ regions: new Map(regions) });
}

function message({ name, key, offset, bytes }: Region) {
  return { name, key, offset: BigInt(offset), byte_size: BigInt(bytes) };
}

async function registerRegion(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name, key, offset, byte_size } = SYSTEM_REGISTER.decode(messageOf(wire));
  regionsOf(planes).register({ name, key, offset: Number(offset), bytes: Number(byte_size) });
  return NOTHING.encode({});
}

async function unregisterRegion(wire: WireRequest, planes: Planes): Promise<Uint8Array> {
  const { name } = REGION_NAME.decode(messageOf(wire));
  planes.operator.regions?.unregister(given(name));
  return NOTHING.encode({});
}
