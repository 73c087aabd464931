/** A throw-away CA and one SPIFFE certificate, made at run time with openssl; key files are 0600. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Certificates } from "./config.ts";

function openssl(dir: string, argv: readonly string[]): void {
  const done = Bun.spawnSync(["openssl", ...argv], { cwd: dir, stdout: "ignore", stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`openssl ${argv[0]}: ${done.stderr.toString()}`);
}

export function makeCertificates(dir: string): Certificates {
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const root = [
    "-subj",
    "/O=bench",
    "-addext",
    "basicConstraints=critical,CA:TRUE",
    "-addext",
    "keyUsage=critical,keyCertSign",
  ];
  openssl(dir, ["req", "-x509", ...curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", ...root]);
  openssl(dir, ["req", "-new", ...curve, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/O=bench"]);
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
    "subjectAltName=critical,URI:spiffe://cluster.local/ns/default/sa/bench",
  ];
  writeFileSync(join(dir, "leaf.ext"), extensions.join("\n"));
  const sign = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "leaf.ext"];
  openssl(dir, ["x509", "-req", "-in", "leaf.csr", "-out", "leaf.pem", ...sign]);
  for (const key of ["ca.key", "leaf.key"]) chmodSync(join(dir, key), 0o600);
  return { cert: join(dir, "leaf.pem"), key: join(dir, "leaf.key"), ca: join(dir, "ca.pem") };
}
