/** Keeps a workload's certificate fresh: renews at half its life, serves the old one meanwhile. */
import { type Backoff, backoff, type Clock, type Logger, type Rng, type Timer } from "../../base/index.ts";
import { createCsr } from "../x509/index.ts";
import {
  checkEveryMs,
  renewAtRatio,
  renewJitter,
  requestTimeoutMs,
  retryBaseMs,
  retryMaxMs,
  svidTtlMs,
} from "./limits.ts";
import { loadSvid, saveSvid } from "./state.ts";
import { assembleSvid, checkSvid, type Svid } from "./svid.ts";

export interface SvidManagerOptions {
  /** The SPIFFE id that is asked for; an answer for another one is refused. */
  readonly id: string;
  /** Asks the CA; resolves to PEM certificates, leaf first. Time-outs are the manager's. */
  readonly request: (csrPem: string, ttlSeconds: number) => Promise<string[]>;
  /** Default 24 h. */
  readonly ttlMs?: number;
  /** PEM roots to trust, read at each renewal (ConfigMap weft-ca-root-cert). Without: the roots of the answer. */
  readonly trustBundle?: () => string;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** Kept here across restarts (0700, file 0600); without: in memory only. */
  readonly stateDir?: string;
  /** A new certificate; also the stored one at start. */
  readonly onSecret: (certPem: string, keyPem: string, caPem: string, notAfter: number) => void;
}

export interface SvidStatus {
  /** `expired`: peers refuse us; new connections fail until the CA answers. */
  readonly state: "waiting" | "valid" | "expired" | "stopped";
  readonly notAfter: number | undefined;
  /** When the next try is due; milliseconds since the epoch. */
  readonly renewAt: number | undefined;
  /** Failures since the last success, and the last one's reason. */
  readonly failures: number;
  readonly lastError: string | undefined;
}

export interface SvidManager {
  /** Resolves with the first certificate, from disk or the CA, however long that takes; rejects when stopped. */
  start(): Promise<void>;
  /** Asks for a new one now; resolves when the attempt is over. */
  renewNow(): Promise<void>;
  status(): SvidStatus;
  stop(): void;
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class Manager implements SvidManager {
  private readonly options: SvidManagerOptions;
  private readonly retry: Backoff;
  private readonly first = Promise.withResolvers<void>();
  private svid: Svid | undefined;
  private renewAt: number | undefined;
  private failures = 0;
  private lastError: string | undefined;
  private timer: Timer | undefined;
  private running: Promise<void> | undefined;
  private stopped = false;
  private toldExpired = false;

  constructor(options: SvidManagerOptions) {
    this.options = options;
    this.retry = backoff({ baseMs: retryBaseMs, maxMs: retryMaxMs, rng: options.rng });
    this.first.promise.catch(() => {});
  }

  start(): Promise<void> {
    this.restore();
    if (this.svid) this.schedule();
    else void this.renewNow();
    return this.first.promise;
  }

  renewNow(): Promise<void> {
    this.running ??= this.attempt().finally(() => {
      this.running = undefined;
      this.schedule();
    });
    return this.running;
  }

  status(): SvidStatus {
    const { svid, renewAt, failures, lastError } = this;
    return { state: this.state(), notAfter: svid?.notAfter, renewAt, failures, lastError };
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
    this.first.reject(new Error("stopped before a certificate came"));
  }

  private state(): SvidStatus["state"] {
    if (this.stopped) return "stopped";
    if (!this.svid) return "waiting";
    return this.options.clock.wall() > this.svid.notAfter ? "expired" : "valid";
  }

  private restore(): void {
    const { stateDir, id, clock, log } = this.options;
    const stored = stateDir === undefined ? undefined : loadSvid(stateDir);
    if (!stored) return;
    const reason = "reason" in stored ? stored.reason : checkSvid(stored, id, clock.wall());
    if (reason !== undefined) log.warn("the stored certificate is not used", { reason });
    else this.adopt(stored as Svid);
  }

  private adopt(svid: Svid): void {
    const { rng, onSecret } = this.options;
    this.svid = svid;
    this.failures = 0;
    this.lastError = undefined;
    this.toldExpired = false;
    this.retry.reset();
    const ratio = renewAtRatio + renewJitter * (2 * rng.float() - 1);
    this.renewAt = svid.issuedAt + (svid.notAfter - svid.issuedAt) * ratio;
    onSecret(svid.certPem, svid.keyPem, svid.caPem, svid.notAfter);
    this.first.resolve();
  }

  private async attempt(): Promise<void> {
    const { id, clock, log, stateDir, trustBundle } = this.options;
    try {
      const { keyPem, csrPem } = createCsr(id);
      const chain = await this.ask(csrPem);
      if (this.stopped) return;
      const bundle = trustBundle?.() ?? "";
      const made = assembleSvid({ id, keyPem, chain, trustBundle: bundle, now: clock.wall() });
      if (!made.ok) throw new Error(made.reason);
      if (stateDir !== undefined) this.save(stateDir, made.svid);
      this.adopt(made.svid);
      log.info("certificate received", { id, notAfter: new Date(made.svid.notAfter).toISOString() });
    } catch (error) {
      if (this.stopped) return;
      this.failed(describe(error));
    }
  }

  private ask(csrPem: string): Promise<string[]> {
    const { clock, request, ttlMs } = this.options;
    return new Promise((resolve, reject) => {
      const timer = clock.after(requestTimeoutMs, () =>
        reject(new Error(`the CA did not answer within ${requestTimeoutMs} ms`)),
      );
      request(csrPem, Math.floor((ttlMs ?? svidTtlMs) / 1000))
        .finally(() => timer.cancel())
        .then(resolve, reject);
    });
  }

  /** A full disk must not stop a certificate from being used. */
  private save(stateDir: string, svid: Svid): void {
    try {
      saveSvid(stateDir, svid);
    } catch (error) {
      this.options.log.warn("the certificate could not be saved", { error: describe(error) });
    }
  }

  private failed(reason: string): void {
    const { clock, log, id } = this.options;
    this.failures++;
    this.lastError = reason;
    this.renewAt = clock.wall() + this.retry.next();
    const left = this.svid ? this.svid.notAfter - clock.wall() : undefined;
    const fields = { id, reason, failures: this.failures, secondsLeft: left && Math.floor(left / 1000) };
    if (left !== undefined && left < 0) log.error("no new certificate, and the old one has expired", fields);
    else log.warn("no new certificate, trying again", fields);
  }

  /** Sleeps towards renewAt in steps: after a suspended machine wakes, the wall clock says what is due. */
  private schedule(): void {
    this.timer?.cancel();
    this.timer = undefined;
    if (this.stopped || this.running) return;
    const { clock } = this.options;
    const now = clock.wall();
    this.tellExpired(now);
    const due = (this.renewAt ?? now) - now;
    if (due <= 0) {
      void this.renewNow();
      return;
    }
    this.timer = clock.after(Math.min(due, checkEveryMs), () => this.schedule());
  }

  private tellExpired(now: number): void {
    if (!this.svid || this.toldExpired || now <= this.svid.notAfter) return;
    this.toldExpired = true;
    const { log, id } = this.options;
    log.error("the certificate has expired: peers will refuse new connections", {
      id,
      lastError: this.lastError,
    });
  }
}

/** A manager for one identity; nothing happens before start(). */
export function createSvidManager(options: SvidManagerOptions): SvidManager {
  return new Manager(options);
}
