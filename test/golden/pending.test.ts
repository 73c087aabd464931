/**
 * What stands in mesh/model/feature.ts as not carried out by Weft's own proxy is really refused by it: a line stays no
 * longer than it must. Where one of these fails the proxy has learnt the field: take the line out of pendingInProxy and
 * write the golden files anew (GOLDEN=1), and test/interop/traffic.test.ts plays it.
 */
import { expect, test } from "bun:test";
import { type Feature, pendingInProxy } from "../../src/mesh/model/index.ts";
import { compileMessage } from "../../src/proxy/compile/index.ts";
import { cases, decode, envoyMark, render, translateCase } from "./harness.ts";

/** What the proxy says of each when it is told what an Envoy is told. */
const refusals: Readonly<Record<Feature, RegExp>> = {
  fault: /fault\.v3\.HTTPFault/,
  cors: /cors\.v3\.Cors/,
  mirror: /request_mirror_policies/,
  "header-operators": /command operators/,
  "retry-hosts": /retry_host_predicate/,
  "retry-localities": /retry_priority/,
  "grpc-retry": /retry_on.*cancelled/,
  "retriable-headers": /retry_on.*retriable-headers/,
  hash: /RING_HASH|ring_hash/,
  warmup: /slow_start_config/,
  "locality-weights": /locality_weighted_lb_config/,
  keepalive: /upstream_connection_options/,
  "client-protocol": /use_downstream_protocol_config/,
  "tls-origination": /san_type/,
  dns: /is not an IP address/,
  "local-rate-limit": /local_ratelimit/,
};

const said = cases()
  .filter((c) => c.envoys.length > 0)
  .flatMap((c) => [...render(c, translateCase(c).mesh)])
  .filter(([node]) => node.startsWith(envoyMark))
  .flatMap(([, rendered]) => decode(rendered))
  .flatMap((r) => compileMessage(r.message).errors.map((e) => `${e.path}: ${e.message}`));

for (const feature of pendingInProxy)
  test(`${feature} is refused`, () => {
    expect(said.some((line) => refusals[feature].test(line))).toBe(true);
  });
