/** Small parts of many messages. */
import type { JsonObject, MessageInitShape } from "@bufbuild/protobuf";
import type { DurationSchema } from "@bufbuild/protobuf/wkt";
import type { AddressSchema } from "../../proto/gen/envoy/config/core/v3/address_pb.js";
import type { MetadataSchema } from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import {
  ApiVersion,
  type ConfigSourceSchema,
} from "../../proto/gen/envoy/config/core/v3/config_source_pb.js";
import type { Origin } from "../model/index.ts";

export function duration(ms: number): MessageInitShape<typeof DurationSchema> {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1e6 };
}

export function socketAddress(address: string, port: number): MessageInitShape<typeof AddressSchema> {
  return {
    address: {
      case: "socketAddress",
      value: { address, portSpecifier: { case: "portValue", value: port } },
    },
  };
}

/** Metadata `weft`: who decided, and more. */
export function weftMetadata(origin: Origin, more: JsonObject = {}): MessageInitShape<typeof MetadataSchema> {
  return { filterMetadata: { weft: { ...ownerFields(origin), ...more } } };
}

export function ownerFields(origin: Origin): JsonObject {
  return {
    owner: origin.object === "" ? "Mesh/defaults" : origin.object,
    ...(origin.field !== undefined && { field: origin.field }),
    ...(origin.source !== undefined && { source: origin.source }),
  };
}

/** The aggregated stream that this resource itself came by. */
export const ads: MessageInitShape<typeof ConfigSourceSchema> = {
  resourceApiVersion: ApiVersion.V3,
  configSourceSpecifier: { case: "ads", value: {} },
};
