/** What a sidecar does besides when connections come to it by redirect rules: it answers DNS, and says so. */
import type { Clock, Logger, Rng } from "../../base/index.ts";
import { bookFrom, type DnsServer, dnsMetrics, Resolver, startDnsServer } from "../../proxy/dns/index.ts";
import type { Applied, ConfigSink, ConfigUpdate } from "../../xds/client/index.ts";
import { typeUrl } from "../../xds/protocol/index.ts";
import { Problem } from "../problem/index.ts";
import type { Capture } from "./capture.ts";
import type { DataPlane } from "./plane.ts";

interface CapturedOptions {
  readonly capture: Capture;
  readonly namespace: string;
  /** Addresses to tell of, the first is the workload's. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

/** The application inherits its environment as it is. */
export function untouched(base: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const given = Object.entries(base).filter((e): e is [string, string] => e[1] !== undefined);
  return Object.fromEntries(given);
}

/** The plane with names beside it. */
export function capturedPlane(plane: DataPlane, options: CapturedOptions): DataPlane {
  const { capture, clock, rng, log } = options;
  const { names: upstream, ipv6, dnsPort } = capture;
  const resolver = new Resolver({ ipv6, clock, rng, ...(upstream && { upstream }) });
  let server: DnsServer | undefined;
  const { clustersInUse } = plane.sink;
  const sink: ConfigSink = {
    apply: (update) =>
      update.typeUrl === typeUrl.nameTable ? names(resolver, update, options) : plane.sink.apply(update),
    ...(clustersInUse && { clustersInUse: () => plane.sink.clustersInUse!() }),
  };
  return {
    ...plane,
    sink,
    metadata: {
      ...plane.metadata,
      INTERCEPTION_MODE: "REDIRECT",
      INSTANCE_IPS: options.addresses.join(","),
      DNS_CAPTURE: String(dnsPort !== 0),
    },
    async start() {
      await plane.start();
      if (dnsPort === 0) return;
      const addresses = ipv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"];
      server = await startDnsServer({
        resolver,
        addresses,
        port: dnsPort,
        clock,
        log: log.child("dns"),
      }).catch((error: Error) => {
        throw new Problem(`DNS cannot be answered on port ${dnsPort}`, { why: error.message });
      });
    },
    prometheus: async () => (await plane.prometheus()) + dnsMetrics(resolver.counts),
    environment: untouched,
    stop: async () => {
      server?.stop();
      await plane.stop();
    },
  };
}

async function names(
  resolver: Resolver,
  update: ConfigUpdate,
  { namespace }: CapturedOptions,
): Promise<Applied> {
  const [first] = update.added;
  if (first === undefined) return { errors: [] };
  try {
    resolver.book = bookFrom(first.any.value, namespace);
    return { errors: [] };
  } catch (error) {
    return {
      errors: [{ name: first.name, message: error instanceof Error ? error.message : String(error) }],
    };
  }
}
