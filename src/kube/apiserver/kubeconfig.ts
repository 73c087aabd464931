/** The kubeconfig by which kubectl and everybody else finds the server. Mode 0600: it holds the admin token. */
import { stringify } from "yaml";
import { writePrivate } from "./pki.ts";

export function writeKubeconfig(file: string, options: { url: string; caPem: string; token: string }): void {
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      {
        name: "weft",
        cluster: {
          server: options.url,
          "certificate-authority-data": Buffer.from(options.caPem).toString("base64"),
        },
      },
    ],
    users: [{ name: "weft-admin", user: { token: options.token } }],
    contexts: [{ name: "weft", context: { cluster: "weft", user: "weft-admin", namespace: "default" } }],
    "current-context": "weft",
  };
  writePrivate(file, stringify(config));
}
