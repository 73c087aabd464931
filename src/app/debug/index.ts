/** The control plane's debug pages, asked by somebody whom the API server knows. */
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { debugAccount, debugAudience } from "../control-plane/debug.ts";
import { addressMapName } from "../control-plane/publish.ts";
import { Problem } from "../problem/index.ts";

const rootNamespace = "weft-system";
/** The shortest life that API servers allow. */
const tokenSeconds = 600;

/** What the control plane says of itself. */
export interface PlaneRecord {
  readonly xdsAddress: string;
  readonly debugAddress: string;
  readonly trustDomain: string;
  readonly defaultMtls: string;
}

/** Undefined where no control plane ever said so. */
export async function planeRecord(client: Pick<KubeClient, "get">): Promise<PlaneRecord | undefined> {
  try {
    const map = await client.get<KubeObject & { data?: Record<string, string> }>(
      refs.configMap,
      addressMapName,
      rootNamespace,
    );
    const of = (key: string): string => map.data?.[key] ?? "";
    return {
      xdsAddress: of("xdsAddress"),
      debugAddress: of("debugAddress"),
      trustDomain: of("trustDomain"),
      defaultMtls: of("defaultMtls"),
    };
  } catch (error) {
    if (isKubeError(error, 404)) return undefined;
    throw error;
  }
}

const loopback = (address: string): boolean => /^(?:127\.|localhost:|\[::1\])/.test(address);

/**
 * A token that is good for these pages alone. Where the API server makes none, the kubeconfig's own does, but only on
 * this machine: the pages are plain HTTP.
 */
async function debugToken(client: KubeClient, address: string): Promise<string | undefined> {
  try {
    const { token } = await client.tokenRequest(rootNamespace, debugAccount, {
      audience: debugAudience,
      seconds: tokenSeconds,
    });
    return token;
  } catch (error) {
    if (!isKubeError(error, 403) && !isKubeError(error, 404)) throw error;
    return loopback(address) ? client.config.token?.() : undefined;
  }
}

/** One page as JSON; a Problem says what to do where it cannot be had. */
export async function askDebug<T>(client: KubeClient, address: string, path: string): Promise<T> {
  const fail = (why: string): Problem =>
    new Problem(`the control plane at ${address} does not answer`, {
      why,
      mend: "`weft check` looks at what it needs",
    });
  const token = await debugToken(client, address);
  let response: Response;
  try {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    response = await fetch(`http://${address}${path}`, { headers });
    if (response.ok) return (await response.json()) as T;
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error));
  }
  throw fail(`${response.status} ${(await response.text()).trim()}`);
}
