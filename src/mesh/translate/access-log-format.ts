/** Command operators of access logs: Envoy's that Weft's proxy fills in. One unknown would refuse every listener. */
import type { Field } from "./field.ts";

const operators = new Set(
  `REQ RESP TRAILER START_TIME DYNAMIC_METADATA CLUSTER_METADATA FILTER_STATE UPSTREAM_METADATA
   PROTOCOL UPSTREAM_PROTOCOL RESPONSE_CODE RESPONSE_CODE_DETAILS RESPONSE_FLAGS BYTES_RECEIVED BYTES_SENT
   DURATION REQUEST_DURATION RESPONSE_DURATION RESPONSE_TX_DURATION
   UPSTREAM_HOST UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_LOCAL_ADDRESS UPSTREAM_TRANSPORT_FAILURE_REASON
   UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_PEER_URI_SAN
   DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_PORT
   DOWNSTREAM_DIRECT_REMOTE_ADDRESS DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT
   DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_PORT DOWNSTREAM_PEER_URI_SAN
   REQUESTED_SERVER_NAME ROUTE_NAME VIRTUAL_CLUSTER_NAME CONNECTION_TERMINATION_DETAILS
   ROUTE_OWNER WEFT_REASON`.split(/\s+/),
);
const operator = /%([A-Z_0-9]+)(?:\([^)]*\))?(?::\d+)?%/g;

/** Complains of the first that is not known, and says what holds instead. */
export function knownOperators(
  field: Field,
  format: string,
  instead = "the default format is used",
): boolean {
  const unknown = [...format.matchAll(operator)].map((m) => m[1]!).find((name) => !operators.has(name));
  const rest = format.replaceAll(operator, "").replaceAll("%%", "");
  if (unknown === undefined && !rest.includes("%")) return true;
  const what = unknown === undefined ? "a % that begins no operator (write %% for a %)" : `%${unknown}%`;
  field.ignored(`${what} is not supported: ${instead}`);
  return false;
}
