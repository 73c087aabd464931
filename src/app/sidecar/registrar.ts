/** Keeps the API server told who this instance is and whether it is ready, however often it goes and comes back. */
import { type Backoff, backoff, type Clock, type Logger, type Rng, type Timer } from "../../base/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { limits } from "./limits.ts";
import { annotate, annotation, type Registration, register, unregister } from "./register.ts";
import { within } from "./within.ts";

export interface RegistrarOptions {
  readonly client: Pick<KubeClient, "get" | "create" | "patch" | "delete">;
  readonly registration: Registration;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
}

export class Registrar {
  /** The API server knew of this instance when it was last asked. */
  registered = false;
  private readonly options: RegistrarOptions;
  private readonly wait: Backoff;
  private ready = false;
  private told: boolean | undefined;
  private waiters: (() => void)[] = [];
  private running = false;
  private again = false;
  private busy: Promise<void> | undefined;
  private timer: Timer | undefined;
  private complained = "";

  constructor(options: RegistrarOptions) {
    this.options = options;
    this.wait = backoff({ baseMs: limits.registerBaseMs, maxMs: limits.registerMaxMs, rng: options.rng });
  }

  /** One try; rejects with what went wrong. */
  register(): Promise<void> {
    return this.ask(async (signal) => {
      const { ready } = this;
      await register(this.options.client, this.options.registration, ready, signal);
      this.registered = true;
      this.told = ready;
    });
  }

  /** From now on it is tried until the API server knows, and looked after every 30 s. */
  start(): void {
    this.running = true;
    if (this.registered) this.later(limits.registerResyncMs);
    else this.kick();
  }

  /** Resolves when the API server knows. */
  setReady(ready: boolean): Promise<void> {
    this.ready = ready;
    const known = new Promise<void>((resolve) => this.waiters.push(resolve));
    if (this.running) this.kick();
    return known;
  }

  /** Somebody removed what belongs to this instance. */
  lost(): void {
    this.registered = false;
    if (this.running) this.kick();
  }

  /** Does no more; waits for what is under way, but not for a server that hangs. */
  async stop(): Promise<void> {
    this.running = false;
    this.timer?.cancel();
    const { busy } = this;
    if (busy !== undefined) await within(this.options.clock, limits.askApiMs, () => busy).catch(() => {});
  }

  /** Stops and removes the WorkloadEntry; that it cannot be removed is said, and the control plane does it later. */
  async leave(): Promise<void> {
    await this.stop();
    const { client, registration, log } = this.options;
    await this.ask((signal) => unregister(client, registration, signal)).catch((error: unknown) =>
      log.warn("the WorkloadEntry could not be removed; the control plane will", { error: String(error) }),
    );
  }

  private ask<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return within(this.options.clock, limits.registerAskMs, work);
  }

  private later(ms: number): void {
    this.timer?.cancel();
    this.timer = this.options.clock.after(ms, () => this.kick());
  }

  private kick(): void {
    if (this.busy !== undefined) {
      this.again = true;
      return;
    }
    this.again = false;
    this.timer?.cancel();
    let pause: number = limits.registerResyncMs;
    this.busy = this.sync()
      .then(() => this.wellAgain())
      .catch((error: unknown) => {
        pause = this.wait.next();
        this.complain(error);
      })
      .finally(() => {
        this.busy = undefined;
        if (!this.running) return;
        if (this.again && pause === limits.registerResyncMs) this.kick();
        else this.later(pause);
      });
  }

  private async sync(): Promise<void> {
    if (this.registered) await this.ask((signal) => this.check(signal));
    if (!this.registered) await this.register();
  }

  /** Tells readiness where it changed; looks whether the entry is still there and still ours. */
  private async check(signal: AbortSignal): Promise<void> {
    const { client, registration: r } = this.options;
    const { ready } = this;
    try {
      if (this.told !== ready) await annotate(client, r, annotation.ready, String(ready), signal);
      else if (!ours(await client.get(refs.workloadEntry, r.workload, r.namespace, { signal }), r, ready))
        this.registered = false;
      this.told = ready;
    } catch (error) {
      if (!isKubeError(error, 404)) throw error;
      this.registered = false;
    }
  }

  private wellAgain(): void {
    this.wait.reset();
    if (this.complained !== "") this.options.log.info("the API server knows this instance again");
    this.complained = "";
    if (this.told === this.ready) for (const resolve of this.waiters.splice(0)) resolve();
  }

  private complain(error: unknown): void {
    const text = error instanceof Error ? error.message : String(error);
    if (text !== this.complained)
      this.options.log.warn("the API server cannot be told of this instance; it is tried again", {
        error: text,
      });
    this.complained = text;
  }
}

function ours(entry: KubeObject, r: Registration, ready: boolean): boolean {
  const notes = entry.metadata.annotations ?? {};
  const spec = entry["spec"] as { address?: unknown } | undefined;
  return (
    spec?.address === r.address &&
    notes[annotation.lease] === r.lease &&
    notes[annotation.appPort] === String(r.appPort) &&
    notes[annotation.ready] === String(ready)
  );
}
