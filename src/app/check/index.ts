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
  type Instance,
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

/** Findings in order; an API server that does not answer ends it, as everything else rests on it. */
export async function runChecks(options: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add = (category: string, ...looks: readonly Look[]): void => {
    for (const look of looks) findings.push({ category, ...look });
  };
  const answers = await checkAnswers(options);
  add("api-server", answers.look);
  if (answers.version === undefined) {
    add("machine", ...checkMachine([]));
    return findings;
  }
  add("api-server", await checkApiCertificate(options), await checkKinds(options.client));
  add("api-server", await checkFields(options.client, options.rng));
  const { looks, skewMs } = await checkWrites(options);
  add("store", looks[0]!, ...checkStoreFiles(options.kubeconfig));
  add("clock", ...looks.slice(1));
  const context = { ...options, skewMs };
  const lives = await checkLives(context);
  const record = await planeRecord(options.client);
  add("control-plane", lives.look);
  const root = await checkRoot(context);
  add("certificates", root.look);
  if (record === undefined)
    add("control-plane", bad("error", "its address is known", "no ConfigMap says it", "start `weft dev`"));
  else add("control-plane", ...(await checkPorts(record, root.rootPem, options.clock)));
  const { instances, syncs } = await workloads(options, record, add);
  add("certificates", await checkSidecarCertificates(instances, options.clock));
  add("versions", ...checkVersions(options.version, lives.version, syncs));
  const ports = instances.flatMap((i) =>
    i.address.startsWith("127.") && i.port !== undefined ? [i.port] : [],
  );
  add("machine", ...checkMachine(ports));
  return findings;
}

async function workloads(
  { client }: CheckOptions,
  record: PlaneRecord | undefined,
  add: (category: string, ...looks: readonly Look[]) => void,
): Promise<{ instances: readonly Instance[]; syncs: readonly ProxySync[] | undefined }> {
  let syncs: readonly ProxySync[] | undefined;
  try {
    if (record !== undefined) syncs = await askDebug(client, record.debugAddress, "/debug/syncz");
    if (record !== undefined) add("control-plane", ok("the debug pages can be read"));
  } catch (error) {
    const why = (error as { why?: string }).why ?? textOf(error);
    add(
      "control-plane",
      bad(
        "warning",
        "the debug pages can be read",
        why,
        "may this account ask for tokens of weft-system/weft-debug?",
      ),
    );
  }
  const instances = await instancesOf(client);
  add("workloads", checkReadiness(instances), ...checkProxies(instances, syncs));
  return { instances, syncs };
}
