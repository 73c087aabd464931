/** Filters of outbound connections that routes switch on: cross-origin rules and faults. */
import { create, type DescMessage, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { FaultDelaySchema } from "../../proto/gen/envoy/extensions/filters/common/fault/v3/fault_pb.js";
import {
  CorsPolicySchema,
  CorsSchema,
} from "../../proto/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js";
import { HTTPFaultSchema } from "../../proto/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js";
import type { HttpFilterSchema } from "../../proto/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import {
  FractionalPercent_DenominatorType,
  type FractionalPercentSchema,
} from "../../proto/gen/envoy/type/v3/percent_pb.js";
import { type CorsPolicy, carriesOut, type Fault, type RouteRule, type Share } from "../model/index.ts";
import { stringMatcher } from "./route-match.ts";
import type { ProxyNode } from "./types.ts";
import { duration } from "./values.ts";

type HttpFilterInit = MessageInitShape<typeof HttpFilterSchema>;

const names = { cors: "envoy.filters.http.cors", fault: "envoy.filters.http.fault" } as const;

function packed<D extends DescMessage>(schema: D, init?: MessageInitShape<D>): Any {
  return anyPack(schema, create(schema, init) as MessageShape<D>);
}

/** In order. They do nothing where a route says nothing. */
export function outboundFilters(kind: ProxyNode["kind"]): HttpFilterInit[] {
  const filter = (name: string, value: Any): HttpFilterInit => ({
    name,
    configType: { case: "typedConfig", value },
  });
  return [
    ...(carriesOut(kind, "cors") ? [filter(names.cors, packed(CorsSchema))] : []),
    ...(carriesOut(kind, "fault") ? [filter(names.fault, packed(HTTPFaultSchema))] : []),
  ];
}

export function perRoute(rule: RouteRule, kind: ProxyNode["kind"]): { [name: string]: Any } {
  const { cors, fault } = rule;
  return {
    ...(cors && carriesOut(kind, "cors") && { [names.cors]: corsPolicy(cors) }),
    ...(fault && carriesOut(kind, "fault") && { [names.fault]: httpFault(fault) }),
  };
}

function fraction(share: Share): MessageInitShape<typeof FractionalPercentSchema> {
  return { numerator: share, denominator: FractionalPercent_DenominatorType.MILLION };
}

function corsPolicy(cors: CorsPolicy): Any {
  return packed(CorsPolicySchema, {
    allowOriginStringMatch: cors.origins.map(stringMatcher),
    allowMethods: cors.methods.join(","),
    allowHeaders: cors.headers.join(","),
    exposeHeaders: cors.exposed.join(","),
    ...(cors.maxAgeSeconds !== undefined && { maxAge: String(cors.maxAgeSeconds) }),
    ...(cors.credentials !== undefined && { allowCredentials: cors.credentials }),
    filterEnabled: {
      defaultValue: { numerator: 100, denominator: FractionalPercent_DenominatorType.HUNDRED },
    },
    forwardNotMatchingPreflights: cors.forwardUnmatched,
  });
}

function httpFault({ delay, abort }: Fault): Any {
  return packed(HTTPFaultSchema, {
    ...(delay && {
      delay: create(FaultDelaySchema, {
        faultDelaySecifier: { case: "fixedDelay", value: duration(delay.ms) },
        percentage: fraction(delay.share),
      }),
    }),
    ...(abort && {
      abort: {
        errorType: { case: abort.grpc ? "grpcStatus" : "httpStatus", value: abort.status },
        percentage: fraction(abort.share),
      },
    }),
  });
}
