/** The instances: alive, connected, in step, of one version, with certificates that last. */
import type { Clock } from "../../base/index.ts";
import { type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import type { ProxySync } from "../control-plane/index.ts";
import { limits } from "./limits.ts";
import { bad, type Look, ok, skipped, spanText } from "./types.ts";

export interface Instance {
  readonly name: string;
  readonly address: string;
  readonly ready: boolean;
  readonly port: number | undefined;
}

interface Entry extends KubeObject {
  readonly spec: { readonly address?: string; readonly ports?: Readonly<Record<string, number>> };
}

const few = (names: readonly string[]): string =>
  names.length <= limits.names
    ? names.join(", ")
    : `${names.slice(0, limits.names).join(", ")} and ${names.length - limits.names} more`;

/** Those that `weft run` looks after. */
export async function instancesOf(client: KubeClient): Promise<readonly Instance[]> {
  const { items } = await client.listAll<Entry>(refs.workloadEntry, {
    labelSelector: "weft.dev/managed=true",
  });
  return items.map((e) => ({
    name: `${e.metadata.name}.${e.metadata.namespace ?? "default"}`,
    address: e.spec.address ?? "",
    ready: e.metadata.annotations?.["weft.dev/ready"] === "true",
    port: Object.values(e.spec.ports ?? {})[0],
  }));
}

export function checkReadiness(instances: readonly Instance[]): Look {
  const check = "instances are ready";
  const not = instances.filter((i) => !i.ready).map((i) => i.name);
  if (not.length > 0)
    return bad(
      "warning",
      check,
      `not ready: ${few(not)}`,
      "their logs and http://ADDRESS:15021/healthz/ready say why",
    );
  return ok(check, `${instances.length} of ${instances.length}`);
}

/** What the control plane knows of the proxies; undefined: it could not be asked. */
export function checkProxies(
  instances: readonly Instance[],
  syncs: readonly ProxySync[] | undefined,
): Look[] {
  const connected = "their proxies are connected";
  const inStep = "proxies took their configuration";
  if (syncs === undefined)
    return [
      skipped(connected, "the debug pages cannot be read"),
      skipped(inStep, "the debug pages cannot be read"),
    ];
  const there = new Set(syncs.map((s) => `${s.workload}.${s.namespace}`));
  const lost = instances.filter((i) => i.ready && !there.has(i.name)).map((i) => i.name);
  const refusals = syncs.flatMap((s) =>
    Object.entries(s.types).flatMap(([type, t]) =>
      t.refused ? [`${s.workload} refuses ${type}: ${t.refused}`] : [],
    ),
  );
  const behind = syncs.filter((s) => Object.values(s.types).some((t) => t.state === "STALE" && !t.refused));
  return [
    lost.length > 0
      ? bad(
          "warning",
          connected,
          `not connected: ${few(lost)}`,
          "they serve from their last configuration; their logs say why",
        )
      : ok(connected, `${syncs.length}`),
    refusals.length > 0
      ? bad("error", inStep, few(refusals), "`weft proxy-status` and the object's status name the cause")
      : behind.length > 0
        ? bad(
            "warning",
            inStep,
            `behind: ${few(behind.map((s) => s.workload))}`,
            "look again; `weft proxy-status` shows each type",
          )
        : ok(inStep),
  ];
}

/** One version everywhere is not needed, but worth knowing. */
export function checkVersions(
  own: string,
  plane: string | undefined,
  syncs: readonly ProxySync[] | undefined,
): Look[] {
  const cli = "this program and the control plane are of one version";
  const proxies = "proxies are of the control plane's version";
  const looks: Look[] = [];
  if (plane === undefined) looks.push(skipped(cli, "the control plane's version is not known"));
  else if (plane !== own)
    looks.push(
      bad("warning", cli, `this is ${own}, the control plane ${plane}`, "use the same version of both"),
    );
  else looks.push(ok(cli, own));
  if (plane === undefined || syncs === undefined)
    looks.push(skipped(proxies, "the control plane does not say"));
  else {
    const others = syncs.filter((s) => s.version !== plane).map((s) => `${s.workload} ${s.version}`);
    looks.push(
      others.length > 0
        ? bad("warning", proxies, few(others), "start those instances again with the new version")
        : ok(proxies),
    );
  }
  return looks;
}

interface Certs {
  readonly certificates?: readonly {
    readonly cert_chain?: readonly { readonly expiration_time?: string }[];
  }[];
}

/** Those on this machine are asked themselves, on loopback. */
export async function checkSidecarCertificates(instances: readonly Instance[], clock: Clock): Promise<Look> {
  const check = "certificates of sidecars on this machine last";
  const local = instances.filter((i) => i.address.startsWith("127."));
  if (local.length === 0) return skipped(check, "there are none");
  const ends = await Promise.all(local.map(async (i) => ({ name: i.name, end: await expiry(i.address) })));
  const silent = ends.filter((e) => e.end === undefined).map((e) => e.name);
  const known = ends.flatMap((e) => (e.end === undefined ? [] : [e.end]));
  if (silent.length > 0)
    return bad(
      "warning",
      check,
      `no answer from ${few(silent)}`,
      "has it just ended? its WorkloadEntry is removed a minute later",
    );
  const left = Math.min(...known) - clock.wall();
  if (left < limits.leafWarnMs)
    return bad(
      left < 0 ? "error" : "warning",
      check,
      `one has ${spanText(left)} left`,
      "its sidecar cannot reach the CA: see its log",
    );
  return ok(check, `${known.length}, at least ${spanText(left)} left`);
}

/** When the workload's own certificate ends, ms since the epoch. */
async function expiry(address: string): Promise<number | undefined> {
  try {
    const answer = await fetch(`http://${address}:15000/certs`, {
      signal: AbortSignal.timeout(limits.connectMs),
    });
    const { certificates = [] } = (await answer.json()) as Certs;
    const ends = certificates
      .flatMap((c) => (c.cert_chain ?? []).slice(0, 1))
      .map((c) => Date.parse(c.expiration_time ?? ""));
    return ends.length === 0 ? undefined : Math.min(...ends);
  } catch {
    return undefined;
  }
}
