/** The data threads: started, told, watched, and started again when one dies. */
import { type Backoff, backoff, type Clock, type Logger, type Rng, type Timer } from "../../base/index.ts";
import type { FromWorker, ResourceChange, SecretChange, ToWorker, WorkerInit } from "../config/index.ts";
import { appliedMs, restartBaseMs, restartMaxMs, restartResetMs } from "./limits.ts";

/** The part of a Worker that the agent uses; tests pass a scripted one. */
export interface DataThread {
  postMessage(message: ToWorker): void;
  terminate(): void;
  addEventListener(type: "message", listener: (event: { readonly data: FromWorker }) => void): void;
  addEventListener(type: "error", listener: (event: { readonly message?: string }) => void): void;
  addEventListener(type: "close", listener: () => void): void;
}

export type UpdateError = Extract<FromWorker, { kind: "applied" }>["errors"][number];

/** Everything that a thread runs, for one that starts late. */
export interface FullState {
  readonly resources: readonly ResourceChange[];
  readonly secrets: readonly SecretChange[];
}

export interface ThreadGroupOptions {
  readonly count: number;
  readonly create: () => DataThread;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  readonly init: (index: number) => WorkerInit;
  readonly state: () => FullState;
  /** Messages other than ready and applied. */
  readonly onMessage: (index: number, message: FromWorker) => void;
  /** A thread is gone: its shared counts are to be taken back. Called before it is started again. */
  readonly onDeath: (index: number, reason: string) => void;
}

type Waiter = (errors: readonly UpdateError[]) => void;

interface Member {
  readonly index: number;
  thread: DataThread | null;
  startedAt: number;
  /** Updates sent and not answered. */
  readonly waiting: Map<number, { readonly done: Waiter; readonly timer: Timer }>;
  /** The full state is in effect. */
  up: boolean;
  readonly wait: Backoff;
  restart: Timer | null;
  /** Why it died last; "" while it never did. */
  lastDeath: string;
}

export class ThreadGroup {
  /** Threads that died and were started again. */
  restarts = 0;
  private readonly options: ThreadGroupOptions;
  private readonly members: Member[];
  private seq = 0;
  private stopped = false;

  constructor(options: ThreadGroupOptions) {
    this.options = options;
    this.members = Array.from({ length: options.count }, (_, index) => ({
      index,
      thread: null,
      startedAt: 0,
      waiting: new Map(),
      up: false,
      wait: backoff({ baseMs: restartBaseMs, maxMs: restartMaxMs, rng: options.rng }),
      restart: null,
      lastDeath: "",
    }));
  }

  /** Starts all threads; resolves when each runs the present state, rejects with the cause when one dies before. */
  async start(): Promise<void> {
    await Promise.all(
      this.members.map(async (m) => {
        await this.launch(m);
        if (!m.up && !this.stopped) throw new Error(`data thread ${m.index} cannot start: ${m.lastDeath}`);
      }),
    );
  }

  /** What stands in the way of allUp. */
  troubles(): readonly string[] {
    const dead = this.members.filter((m) => !m.up && m.lastDeath !== "");
    if (dead.length === 0) return ["data threads are starting or taking over configuration"];
    return dead.map((m) => `data thread ${m.index} died (${m.lastDeath}) and is started again`);
  }

  /** Every thread runs everything it was told. */
  get allUp(): boolean {
    return !this.stopped && this.members.every((m) => m.up && m.waiting.size === 0);
  }

  /** Number of threads that run. */
  get running(): number {
    return this.members.filter((m) => m.up).length;
  }

  /** Sends an update to all; resolves with what failed on any thread when all have answered or died. */
  async update(
    resources: readonly ResourceChange[],
    secrets: readonly SecretChange[],
  ): Promise<readonly UpdateError[]> {
    const lists = await Promise.all(this.members.map((m) => this.tell(m, resources, secrets)));
    const seen = new Map<string, UpdateError>();
    for (const e of lists.flat()) if (!seen.has(`${e.type}\0${e.name}`)) seen.set(`${e.type}\0${e.name}`, e);
    return [...seen.values()];
  }

  /** A message without an answer of its own. */
  broadcast(message: ToWorker): void {
    for (const m of this.members) m.thread?.postMessage(message);
  }

  stop(): void {
    this.stopped = true;
    for (const m of this.members) {
      m.restart?.cancel();
      this.settle(m);
      const { thread } = m;
      m.thread = null;
      m.up = false;
      thread?.terminate();
    }
  }

  private async launch(m: Member): Promise<void> {
    const { options } = this;
    const thread = options.create();
    m.thread = thread;
    m.startedAt = options.clock.now();
    thread.addEventListener("message", (event) => {
      if (m.thread === thread) this.receive(m, event.data);
    });
    thread.addEventListener("error", (event) => this.died(m, thread, event.message ?? "error"));
    thread.addEventListener("close", () => this.died(m, thread, "exit"));
    thread.postMessage(options.init(m.index));
    const { resources, secrets } = options.state();
    const errors = await this.tell(m, resources, secrets);
    if (m.thread !== thread) return;
    m.up = true;
    for (const e of errors) options.log.error(`${e.type} ${e.name}: ${e.message}`, { thread: m.index });
  }

  private tell(
    m: Member,
    resources: readonly ResourceChange[],
    secrets: readonly SecretChange[],
  ): Promise<readonly UpdateError[]> {
    const { thread } = m;
    // One that is about to start gets the full state then.
    if (!thread) return Promise.resolve([]);
    const seq = ++this.seq;
    return new Promise((done) => {
      const timer = this.options.clock.after(appliedMs, () => {
        this.died(m, thread, `no answer to an update for ${appliedMs} ms`);
      });
      m.waiting.set(seq, { done, timer });
      thread.postMessage({ kind: "update", seq, resources, secrets });
    });
  }

  private receive(m: Member, message: FromWorker): void {
    if (message.kind === "ready") return;
    if (message.kind !== "applied") {
      this.options.onMessage(m.index, message);
      return;
    }
    const waiter = m.waiting.get(message.seq);
    m.waiting.delete(message.seq);
    waiter?.timer.cancel();
    waiter?.done(message.errors);
  }

  private settle(m: Member): void {
    const all = [...m.waiting.values()];
    m.waiting.clear();
    for (const { done, timer } of all) {
      timer.cancel();
      done([]);
    }
  }

  private died(m: Member, thread: DataThread, reason: string): void {
    if (this.stopped || m.thread !== thread) return;
    const { clock, log, onDeath } = this.options;
    m.thread = null;
    m.up = false;
    m.lastDeath = reason;
    thread.terminate();
    this.restarts++;
    onDeath(m.index, reason);
    this.settle(m);
    if (clock.now() - m.startedAt >= restartResetMs) m.wait.reset();
    const waitMs = m.wait.next();
    log.error("a data thread died and is started again", { thread: m.index, reason, waitMs });
    m.restart = clock.after(waitMs, () => {
      m.restart = null;
      void this.launch(m);
    });
  }
}
