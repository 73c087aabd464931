import { applyManifests, parseManifest } from "../app/manifests/index.ts";
import type { KubeClient } from "../kube/client/index.ts";
import { kindOf, parseApiVersion } from "../kube/kinds/index.ts";

/** Applies a manifest's text to namespace `default`; gives what was found in it and what the API answered. */
export async function applyText(client: KubeClient, text: string): Promise<readonly string[]> {
  const { objects, findings } = parseManifest("test.yaml", text);
  const results = await applyManifests(objects, {
    client,
    namespace: "default",
    resolveKind(apiVersion, kind) {
      const found = kindOf(apiVersion, kind);
      const version = parseApiVersion(apiVersion)?.version;
      return found && version !== undefined ? { ...found, version } : undefined;
    },
  });
  return [...findings, ...results.flatMap((r) => r.findings)].map((f) => `${f.severity}: ${f.what}`);
}
