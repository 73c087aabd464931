/** The control plane: whether it lives, whether its ports show the right certificate, and its root. */
import type { Clock } from "../../base/index.ts";
import { parseCertificates } from "../../identity/x509/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { heartbeatName } from "../control-plane/control-plane.ts";
import { rootMapKey, rootMapName } from "../control-plane/publish.ts";
import type { PlaneRecord } from "../debug/index.ts";
import { limits } from "./limits.ts";
import { shownCertificate } from "./tls.ts";
import { bad, type Look, ok, skipped, spanText, textOf } from "./types.ts";

export interface PlaneContext {
  readonly client: KubeClient;
  readonly namespace: string;
  readonly clock: Clock;
  /** Server's clock minus this machine's. */
  readonly skewMs: number | undefined;
}

const rootNamespace = "weft-system";
const start = "start `weft dev` or `weft control-plane`";

/** The version of the holder's text, `weft 0.1.0 on host (pid 7)`. */
export const versionOfHolder = (holder: string): string | undefined => /^weft (\S+) on /.exec(holder)?.[1];

/** Its Lease: renewed by itself, so it says that it lives and can write. */
export async function checkLives(context: PlaneContext): Promise<{ look: Look; version?: string }> {
  const { client, clock, skewMs } = context;
  const check = "the control plane lives";
  try {
    const lease = await client.get<KubeObject & { spec?: { renewTime?: string; holderIdentity?: string } }>(
      refs.lease,
      heartbeatName,
      rootNamespace,
    );
    const holder = lease.spec?.holderIdentity ?? "";
    const age = clock.wall() + (skewMs ?? 0) - Date.parse(lease.spec?.renewTime ?? "");
    if (!(age < limits.heartbeatMs))
      return {
        look: bad("error", check, `${holder} was last heard ${(age / 1000).toFixed(0)} s ago`, start),
      };
    const version = versionOfHolder(holder);
    return { look: ok(check, holder), ...(version === undefined ? {} : { version }) };
  } catch (error) {
    if (isKubeError(error, 404)) return { look: bad("error", check, "it has no Lease", start) };
    if (isKubeError(error, 403)) return { look: skipped(check, "this account may not read its Lease") };
    return { look: bad("error", check, textOf(error), start) };
  }
}

async function rootOf(client: KubeClient, namespace: string): Promise<string | undefined> {
  try {
    const map = await client.get<KubeObject & { data?: Record<string, string> }>(
      refs.configMap,
      rootMapName,
      namespace,
    );
    return map.data?.[rootMapKey];
  } catch (error) {
    if (isKubeError(error, 404)) return undefined;
    throw error;
  }
}

/** The root that workloads of the namespace are told to trust. */
export async function checkRoot({
  client,
  namespace,
  clock,
}: PlaneContext): Promise<{ look: Look; rootPem?: string }> {
  const check = "the root certificate is published and lasts";
  const [here, there] = await Promise.all([rootOf(client, namespace), rootOf(client, rootNamespace)]);
  if (here === undefined || there === undefined)
    return {
      look: bad(
        "error",
        check,
        `ConfigMap ${here === undefined ? namespace : rootNamespace}/${rootMapName} is missing`,
        start,
      ),
    };
  if (here !== there)
    return {
      look: bad(
        "error",
        check,
        `namespace ${namespace} trusts another root than ${rootNamespace}`,
        `delete ConfigMap ${namespace}/${rootMapName} and start the control plane again`,
      ),
      rootPem: there,
    };
  const left = Math.min(...parseCertificates(there).map((c) => c.notAfter)) - clock.wall();
  if (left < limits.rootWarnMs)
    return {
      look: bad(
        left < 0 ? "error" : "warning",
        check,
        `${spanText(left)} left`,
        "put a new CA into Secret weft-system/weft-ca",
      ),
      rootPem: there,
    };
  return { look: ok(check, `${spanText(left)} left`), rootPem: there };
}

export async function checkPorts(
  record: PlaneRecord,
  rootPem: string | undefined,
  clock: Clock,
): Promise<Look[]> {
  return Promise.all([checkXds(record, rootPem, clock), checkReady(record)]);
}

async function checkXds(
  { xdsAddress }: PlaneRecord,
  rootPem: string | undefined,
  clock: Clock,
): Promise<Look> {
  const check = "xDS and CA answer under that root";
  if (rootPem === undefined) return skipped(check, "the root is not known");
  try {
    const { notAfter } = await shownCertificate({ address: xdsAddress, caPem: rootPem, alpn: ["h2"], clock });
    const left = notAfter - clock.wall();
    const detail = `${xdsAddress}, certificate for ${spanText(left)}`;
    if (left < limits.leafWarnMs)
      return bad("warning", check, detail, "it should be made anew by itself: start the control plane again");
    return ok(check, detail);
  } catch (error) {
    return bad("error", check, `${xdsAddress}: ${textOf(error)}`, start);
  }
}

async function checkReady({ debugAddress }: PlaneRecord): Promise<Look> {
  const check = "the debug port answers";
  try {
    const answer = await fetch(`http://${debugAddress}/ready`, {
      signal: AbortSignal.timeout(limits.connectMs),
    });
    if (!answer.ok) return bad("error", check, `${debugAddress}: ${answer.status}`, start);
    return ok(check, debugAddress);
  } catch (error) {
    return bad("error", check, `${debugAddress}: ${textOf(error)}`, start);
  }
}
