/** HeaderChanges -> header operations of a route or one of its clusters. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  HeaderValueOption_HeaderAppendAction,
  type HeaderValueOptionSchema,
} from "../../proto/gen/envoy/config/core/v3/base_pb.js";
import type { RouteSchema } from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { HeaderChanges } from "../model/index.ts";

type RouteInit = MessageInitShape<typeof RouteSchema>;
type Ops = Pick<
  RouteInit,
  "requestHeadersToAdd" | "requestHeadersToRemove" | "responseHeadersToAdd" | "responseHeadersToRemove"
>;

export function headerOps(changes: HeaderChanges, side: "request" | "response"): Ops {
  type Option = MessageInitShape<typeof HeaderValueOptionSchema>;
  const { OVERWRITE_IF_EXISTS_OR_ADD, APPEND_IF_EXISTS_OR_ADD } = HeaderValueOption_HeaderAppendAction;
  const add: Option[] = [
    ...changes.set.map((h) => ({
      header: { key: h.name, value: h.value },
      appendAction: OVERWRITE_IF_EXISTS_OR_ADD,
    })),
    ...changes.add.map((h) => ({
      header: { key: h.name, value: h.value },
      appendAction: APPEND_IF_EXISTS_OR_ADD,
    })),
  ];
  const remove = [...changes.remove];
  return side === "request"
    ? { requestHeadersToAdd: add, requestHeadersToRemove: remove }
    : { responseHeadersToAdd: add, responseHeadersToRemove: remove };
}
