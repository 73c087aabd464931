/** A throw-away CA and one SPIFFE certificate as files; the key file is 0600. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { issue, issuingCa } from "../src/testkit/issue.ts";
import type { Certificates } from "./config.ts";

const spiffe = "spiffe://cluster.local/ns/default/sa/bench";
/** Longer than any run. */
const ttl = 48 * 3_600_000;

export function makeCertificates(dir: string): Certificates {
  const ca = issuingCa({ name: "bench" });
  const leaf = issue({ ca, spiffe, ttl });
  const file = (name: string, pem: string): string => {
    const path = join(dir, name);
    writeFileSync(path, pem, { mode: 0o600 });
    return path;
  };
  return { cert: file("leaf.pem", leaf.cert), key: file("leaf.key", leaf.key), ca: file("ca.pem", ca.pem) };
}
