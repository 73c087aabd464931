/** `weft check`: everything that a mesh needs, looked at in the order in which one thing rests on another. */
import type { Clock, Rng } from "../../base/index.ts";
import type { KubeClient } from "../../kube/client/index.ts";
import type { ProxySync } from "../control-plane/index.ts";
import { askDebug, type PlaneRecord, planeRecord } from "../debug/index.ts";
import { checkAnswers, checkApiCertificate, checkStoreFiles, checkWrites } from "./api.ts";
import { checkFields } from "./fields.ts";
import { checkKinds } from "./kinds.ts";
import { checkMachine } from "./machine.ts";
import { checkLives, checkPorts, checkRoot } from "./plane.ts";
import { bad, type Finding, type Look, ok, textOf } from "./types.ts";
import {
  checkProxies,
  checkReadiness,
  checkSidecarCertificates,
  checkVersions,
  instancesOf,
} from "./workloads.ts";

export type { Finding, Outcome } from "./types.ts";

export interface CheckOptions {
  readonly client: KubeClient;
  readonly namespace: string;
  /** File that the client's configuration came from: the embedded store lies beside it. */
  readonly kubeconfig: string | undefined;
  /** Of this program. */
  readonly version: string;
  readonly clock: Clock;
  readonly rng: Rng;
}

type Add = (category: string, ...looks: readonly Look[]) => void;

/** A look that fails by itself (no right to read, a server that goes away) is a finding, not the end of the others. */
async function attempt<T>(
  add: Add,
  category: string,
  check: string,
  work: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    const why = (error as { why?: string }).why ?? textOf(error);
    add(category, bad("error", check, why, "may this account read it?"));
    return undefined;
  }
}

/** Findings in order; an API server that does not answer ends it, as everything else rests on it. */
export async function runChecks(options: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add: Add = (category, ...looks) => {
    for (const look of looks) findings.push({ category, ...look });
  };
  const { client, clock } = options;
  const answers = await checkAnswers(options);
  add("api-server", answers.look);
  if (answers.version === undefined) {
    add("machine", ...checkMachine([]));
    return findings;
  }
  add("api-server", await checkApiCertificate(options));
  const kinds = await attempt(add, "api-server", "the kinds that Weft reads are served", () =>
    checkKinds(client),
  );
  if (kinds) add("api-server", kinds, await checkFields(client, options.rng));
  const { looks, skewMs } = await checkWrites(options);
  add("store", looks[0]!, ...checkStoreFiles(options.kubeconfig));
  add("clock", ...looks.slice(1));
  const context = { ...options, skewMs };
  const lives = await checkLives(context);
  add("control-plane", lives.look);
  const known = "its address is known";
  const record = await attempt(add, "control-plane", known, async () => (await planeRecord(client)) ?? null);
  if (record === null) add("control-plane", bad("error", known, "no ConfigMap says it", "start `weft dev`"));
  const published = "the root certificate is published and lasts";
  const root = await attempt(add, "certificates", published, () => checkRoot(context));
  if (root) add("certificates", root.look);
  if (record) add("control-plane", ...(await checkPorts(record, root?.rootPem, clock)));
  const syncs = record ? await debugPages(client, record, add) : undefined;
  const found = await attempt(add, "workloads", "instances are ready", () => instancesOf(client));
  const instances = found ?? [];
  if (found) add("workloads", checkReadiness(found), ...checkProxies(found, syncs));
  add("certificates", await checkSidecarCertificates(instances, clock));
  add("versions", ...checkVersions(options.version, lives.version, syncs));
  const ports = instances.flatMap((i) =>
    i.address.startsWith("127.") && i.port !== undefined ? [i.port] : [],
  );
  add("machine", ...checkMachine(ports));
  return findings;
}

/** What the control plane says of its proxies. */
async function debugPages(
  client: KubeClient,
  record: PlaneRecord,
  add: Add,
): Promise<readonly ProxySync[] | undefined> {
  const check = "the debug pages can be read";
  try {
    const syncs = await askDebug<readonly ProxySync[]>(client, record.debugAddress, "/debug/syncz");
    add("control-plane", ok(check));
    return syncs;
  } catch (error) {
    const why = (error as { why?: string }).why ?? textOf(error);
    const mend = "may this account ask for tokens of weft-system/weft-debug?";
    add("control-plane", bad("warning", check, why, mend));
    return undefined;
  }
}
