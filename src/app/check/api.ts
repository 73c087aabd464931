/** The API server: whether it answers, takes writes, and what time it is there. */
import { existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock, Rng } from "../../base/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { limits } from "./limits.ts";
import { shownCertificate } from "./tls.ts";
import { bad, bytesText, type Look, ok, skipped, spanText, textOf } from "./types.ts";

export interface ApiContext {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly rng: Rng;
}

const namespace = "weft-system";

/** Undefined: it does not answer, and nothing else can be asked. */
export async function checkAnswers({ client, clock }: ApiContext): Promise<{ look: Look; version?: string }> {
  const check = "the API server answers";
  const began = clock.now();
  try {
    const { gitVersion } = await client.raw<{ gitVersion?: string }>("/version");
    const took = Math.round(clock.now() - began);
    const version = gitVersion ?? "of unknown version";
    return { look: ok(check, `${client.config.server}, ${version}, ${took} ms`), version };
  } catch (error) {
    const refused = isKubeError(error, 401);
    const mend = refused
      ? "the kubeconfig's credential is not good there: is it of another `weft dev`?"
      : "is `weft dev` running? --kubeconfig names another server";
    return { look: bad("error", check, textOf(error), mend) };
  }
}

export async function checkApiCertificate({ client, clock }: ApiContext): Promise<Look> {
  const check = "its certificate is good for a while";
  const { server, caPem, insecureSkipTlsVerify } = client.config;
  if (!server.startsWith("https:")) return skipped(check, `${server} has none`);
  if (insecureSkipTlsVerify)
    return bad("warning", check, "insecure-skip-tls-verify is set", "name the root certificate instead");
  try {
    const { host } = new URL(server);
    const address = /:\d+$/.test(host) ? host : `${host}:443`;
    const { notAfter } = await shownCertificate({ address, caPem, clock });
    const left = notAfter - clock.wall();
    if (left < limits.apiWarnMs)
      return bad("warning", check, `${spanText(left)} left`, "`weft dev` makes a new one when it starts");
    return ok(check, `${spanText(left)} left`);
  } catch (error) {
    return bad("error", check, textOf(error), "the kubeconfig's root is not that server's");
  }
}

export interface WriteResult {
  readonly looks: readonly Look[];
  /** Server's clock minus this machine's, ms; undefined where it could not be seen. */
  readonly skewMs: number | undefined;
}

/** Creates, reads and removes one Lease: a dry run would not touch the disk. */
export async function checkWrites({ client, clock, rng }: ApiContext): Promise<WriteResult> {
  const check = "the store takes writes";
  const name = `weft-check-${rng.int(1_000_000_000).toString(36)}`;
  const lease: KubeObject = {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace },
    spec: {},
  };
  const began = clock.now();
  const before = clock.wall();
  try {
    await client.create(refs.lease, lease);
    const took = Math.round(clock.now() - began);
    const middle = (before + clock.wall()) / 2;
    const { metadata } = await client.get<KubeObject>(refs.lease, name, namespace);
    await client.delete(refs.lease, { name, namespace });
    const detail = `written, read and removed; ${took} ms to the disk`;
    const slow = took > limits.slowWriteMs;
    const look = slow
      ? bad("warning", check, detail, "the disk of the store is slow or busy")
      : ok(check, detail);
    // Creation times are cut to whole seconds.
    const there = Date.parse(String(metadata.creationTimestamp)) + 500;
    const skewMs = Number.isNaN(there) ? undefined : there - middle;
    return { looks: [look, clockLook(skewMs)], skewMs };
  } catch (error) {
    const clockSkipped = skipped("clocks agree", "nothing was written");
    if (isKubeError(error, 403))
      return { looks: [skipped(check, "this account may not write there"), clockSkipped], skewMs: undefined };
    const mend =
      isKubeError(error, 507) === true
        ? "make room on the disk of the data directory"
        : "the API server's log says more";
    return { looks: [bad("error", check, textOf(error), mend), clockSkipped], skewMs: undefined };
  }
}

/** Whole seconds are seen, so a second more or less is nothing. */
export function clockLook(skewMs: number | undefined): Look {
  const check = "clocks agree";
  if (skewMs === undefined) return skipped(check, "the API server tells no time");
  const seconds = Math.abs(skewMs / 1000);
  const off = `the API server's is ${seconds.toFixed(0)} s ${skewMs > 0 ? "ahead" : "behind"}`;
  const mend = "set the clocks (NTP): tokens and certificates are refused before their time";
  if (Math.abs(skewMs) > limits.skewErrorMs) return bad("error", check, off, mend);
  if (Math.abs(skewMs) > limits.skewWarnMs) return bad("warning", check, off, mend);
  return ok(check, "to the second");
}

/** The embedded store, where the kubeconfig lies beside it. */
export function checkStoreFiles(kubeconfig: string | undefined): Look[] {
  const dir = kubeconfig === undefined ? undefined : join(dirname(kubeconfig), "store");
  if (dir === undefined || !existsSync(join(dir, "weft.db"))) return [];
  const size = readdirSync(dir).reduce((sum, f) => sum + statSync(join(dir, f)).size, 0);
  const { bavail, bsize } = statfsSync(dir);
  const free = bavail * bsize;
  const detail = `${dir} has ${bytesText(size)}, ${bytesText(free)} are free`;
  const check = "the store's disk has room";
  const mend = "make room on that disk";
  if (free < limits.diskErrorBytes) return [bad("error", check, detail, mend)];
  return [free < limits.diskWarnBytes ? bad("warning", check, detail, mend) : ok(check, detail)];
}
