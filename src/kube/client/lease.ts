/** Keeps a coordination.k8s.io Lease fresh: whoever watches it knows that this process lives. */
import type { Clock, Logger } from "../../base/index.ts";
import { isKubeError } from "./error.ts";
import { limits } from "./limits.ts";
import { refs } from "./refs.ts";
import type { KubeClient, KubeObject } from "./types.ts";

export interface LeaseOptions {
  readonly namespace: string;
  readonly name: string;
  /** Who holds it; of use to people. */
  readonly holder: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** A Lease that was held is not there any more; it is made anew. Whoever removed it may have removed more. */
  readonly onLost?: () => void;
  /** Renewed after it could not be renewed: the server is back. */
  readonly onAgain?: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface LeaseKeeper {
  /** Resolves after the first successful write; never rejects. */
  readonly held: Promise<void>;
  /** Stops renewing and deletes the Lease: those who watch need not wait. Never rejects. */
  release(): Promise<void>;
  /** Stops renewing and lets it lapse. */
  stop(): void;
}

/** Creates or takes over the Lease and renews it every 3 s until released. A write that fails is tried next time. */
export function keepLease(
  client: Pick<KubeClient, "create" | "patch" | "delete">,
  options: LeaseOptions,
): LeaseKeeper {
  const { clock, log, name, namespace } = options;
  let busy: Promise<void> | undefined;
  let stopped = false;
  let told = false;
  let resolveHeld: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    resolveHeld = resolve;
  });
  const micro = (): string => new Date(clock.wall()).toISOString().replace("Z", "000Z");
  const spec = () => ({
    holderIdentity: options.holder,
    leaseDurationSeconds: limits.leaseSeconds,
    renewTime: micro(),
  });

  let had = false;

  async function write(signal: AbortSignal): Promise<void> {
    try {
      await client.patch(refs.lease, { namespace, name }, { spec: spec() }, { signal });
    } catch (error) {
      if (!isKubeError(error, 404)) throw error;
      if (had) options.onLost?.();
      const lease: KubeObject = {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { namespace, name, ...(options.labels === undefined ? {} : { labels: options.labels }) },
        spec: { ...spec(), acquireTime: micro() },
      };
      await client.create(refs.lease, lease, { signal });
    }
    had = true;
  }

  /** A server that does not answer must not keep the next one from being asked. */
  async function bounded(): Promise<void> {
    const abort = new AbortController();
    const late = clock.after(limits.leaseWriteMs, () => abort.abort());
    await write(abort.signal).finally(() => late.cancel());
  }

  function renew(): void {
    // One write at a time: a slow server is not given more to do.
    if (stopped || busy !== undefined) return;
    busy = bounded()
      .then(() => {
        if (told) {
          log.info(`lease ${namespace}/${name} is renewed again`);
          options.onAgain?.();
        }
        told = false;
        resolveHeld();
      })
      .catch((error) => {
        if (!told) log.warn(`lease ${namespace}/${name} cannot be renewed`, { error: String(error) });
        told = true;
      })
      .finally(() => {
        busy = undefined;
      });
  }

  const timer = clock.every(limits.leaseRenewMs, renew);
  renew();
  const stop = (): void => {
    stopped = true;
    timer.cancel();
  };
  return {
    held,
    stop,
    async release() {
      stop();
      await busy;
      const abort = new AbortController();
      const late = clock.after(limits.leaseWriteMs, () => abort.abort());
      const gone = client.delete(refs.lease, { namespace, name }, { signal: abort.signal });
      await gone
        .finally(() => late.cancel())
        .catch((error) => {
          if (!isKubeError(error, 404))
            log.warn(`lease ${namespace}/${name} cannot be deleted`, { error: String(error) });
        });
    },
  };
}
