/** Addresses of Services, from 10.96.0.0/16. An address is a key of the store, so two Services cannot share one. */
import type { Rng } from "../../base/index.ts";
import { type Cause, isIpv4 } from "../kinds/index.ts";
import type { Store, Write } from "../store/index.ts";
import type { Doc } from "./document.ts";
import { MAX_DRAWS } from "./limits.ts";
import { internal } from "./status.ts";

const NETWORK = "10.96.";
const keyOf = (ip: string): string => `/allocated/cluster-ip/${ip}`;

interface Spec {
  type?: string;
  clusterIP?: string;
  clusterIPs?: string[];
  [field: string]: unknown;
}
const specOf = (doc: Doc | undefined): Spec => (doc?.["spec"] ?? {}) as Spec;
const owned = (doc: Doc | undefined): string | undefined => {
  const ip = specOf(doc).clusterIP;
  return ip && ip !== "None" ? ip : undefined;
};

export interface Allocation {
  readonly writes: readonly Write[];
  readonly causes: readonly Cause[];
}

const cause = (ip: string, why: string): Allocation => ({
  writes: [],
  causes: [
    { field: "spec.clusterIPs", message: `Invalid value: ["${ip}"]: ${why}`, reason: "FieldValueInvalid" },
  ],
});

/** Settles `spec.clusterIP(s)` of a Service in place, and says what to write beside it. */
export async function allocateClusterIp(
  store: Store,
  rng: Rng,
  doc: Doc,
  old: Doc | undefined,
): Promise<Allocation> {
  const spec = specOf(doc);
  doc["spec"] = spec;
  const before = owned(old);
  if (spec.type === "ExternalName") {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    return { writes: before ? [release(before)] : [], causes: [] };
  }
  spec.clusterIP ||= spec.clusterIPs?.[0] || specOf(old).clusterIP || "";
  const name = `${doc.metadata.namespace}/${doc.metadata.name}`;
  if (spec.clusterIP === "") spec.clusterIP = await draw(store, rng);
  else if (spec.clusterIP !== "None" && spec.clusterIP !== before) {
    if (!isIpv4(spec.clusterIP) || !spec.clusterIP.startsWith(NETWORK)) {
      return cause(
        spec.clusterIP,
        `failed to allocate IP ${spec.clusterIP}: the provided network does not match the current range`,
      );
    }
    const holder = await store.get(keyOf(spec.clusterIP));
    if (holder) {
      return cause(
        spec.clusterIP,
        `failed to allocate IP ${spec.clusterIP}: provided IP is already allocated`,
      );
    }
  }
  spec.clusterIPs = [spec.clusterIP];
  const now = owned(doc);
  if (now === before) return { writes: [], causes: [] };
  const writes: Write[] = before ? [release(before)] : [];
  if (now) writes.push({ key: keyOf(now), value: name, expect: 0 });
  return { writes, causes: [] };
}

/** What a Service that goes away gives back. */
export function releaseClusterIp(doc: Doc): Write[] {
  const ip = owned(doc);
  return ip ? [release(ip)] : [];
}

const release = (ip: string): Write => ({ key: keyOf(ip), value: undefined, expect: undefined });

async function draw(store: Store, rng: Rng): Promise<string> {
  for (let i = 0; i < MAX_DRAWS; i++) {
    const n = 1 + rng.int(65_533);
    const ip = `${NETWORK}${n >> 8}.${n & 255}`;
    if (!(await store.get(keyOf(ip)))) return ip;
  }
  throw internal("failed to allocate a cluster IP: the range 10.96.0.0/16 is nearly full");
}
