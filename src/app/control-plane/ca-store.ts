/** The CA's material in Secret `weft-ca` of the root namespace. */
import type { CaMaterial, CaStore } from "../../identity/ca/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";

export const caSecretName = "weft-ca";

/** Keys of the Secret, those of Istio's `cacerts`. */
const keys = {
  keyPem: "ca-key.pem",
  certPem: "ca-cert.pem",
  chainPem: "cert-chain.pem",
  rootPem: "root-cert.pem",
} as const;

interface SecretObject extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

function materialOf(secret: SecretObject): CaMaterial {
  const text = (name: string): string => Buffer.from(secret.data?.[name] ?? "", "base64").toString("utf8");
  return {
    keyPem: text(keys.keyPem),
    certPem: text(keys.certPem),
    chainPem: text(keys.chainPem),
    rootPem: text(keys.rootPem),
  };
}

/** First writer wins: the API server's name conflict decides, and the loser reads what is there. */
export function kubeCaStore(client: KubeClient, namespace: string): CaStore {
  const load = async (): Promise<CaMaterial | undefined> => {
    try {
      return materialOf(await client.get<SecretObject>(refs.secret, caSecretName, namespace));
    } catch (error) {
      if (isKubeError(error, 404)) return undefined;
      throw error;
    }
  };
  return {
    load,
    async create(material) {
      const data = Object.fromEntries(
        Object.entries(keys).map(([field, name]) => [
          name,
          Buffer.from(material[field as keyof CaMaterial]).toString("base64"),
        ]),
      );
      const secret: SecretObject = {
        apiVersion: "v1",
        kind: "Secret",
        metadata: { name: caSecretName, namespace, labels: { "app.kubernetes.io/part-of": "weft" } },
        type: "istio.io/ca-root",
        data,
      };
      try {
        await client.create(refs.secret, secret);
        return material;
      } catch (error) {
        if (!isKubeError(error, 409)) throw error;
        const stored = await load();
        if (stored === undefined) throw error;
        return stored;
      }
    },
  };
}
