/** A data thread that does what a test says: it remembers what it was told and answers updates. */
import type { FromWorker, ResourceChange, SecretChange, ToWorker, WorkerInit } from "../config/index.ts";
import type { DataThread, UpdateError } from "./threads.ts";

type Update = Extract<ToWorker, { kind: "update" }>;

export class ScriptedThread implements DataThread {
  init: WorkerInit | null = null;
  readonly messages: ToWorker[] = [];
  /** What it would run now: `type name` to the JSON value. */
  readonly running = new Map<string, unknown>();
  readonly secrets = new Map<string, SecretChange>();
  terminated = false;
  /** Answers updates by itself. */
  answers = true;
  /** Fails these; what failed is not run. */
  fail: (change: ResourceChange) => string | undefined = () => undefined;
  private readonly onMessage: ((event: { data: FromWorker }) => void)[] = [];
  private readonly onClose: (() => void)[] = [];
  private readonly onError: ((event: { message: string }) => void)[] = [];

  postMessage(message: ToWorker): void {
    this.messages.push(message);
    if (message.kind === "init") {
      this.init = message;
      this.say({ kind: "ready" });
    } else if (message.kind === "update") this.update(message);
  }

  terminate(): void {
    this.terminated = true;
  }

  addEventListener(type: "message" | "error" | "close", listener: (event: never) => void): void {
    if (type === "message") this.onMessage.push(listener as (event: { data: FromWorker }) => void);
    if (type === "error") this.onError.push(listener as (event: { message: string }) => void);
    if (type === "close") this.onClose.push(listener as () => void);
  }

  /** A message to the agent. */
  say(message: FromWorker): void {
    for (const listener of this.onMessage) listener({ data: message });
  }

  /** Its code throws. */
  fault(message: string): void {
    for (const listener of this.onError) listener({ message });
  }

  /** The thread ends by itself. */
  die(): void {
    for (const listener of this.onClose) listener();
  }

  private update({ seq, resources, secrets }: Update): void {
    const errors: UpdateError[] = [];
    for (const s of secrets) this.secrets.set(s.name, s);
    for (const change of resources) {
      const message = change.json === null ? undefined : this.fail(change);
      const key = `${change.type} ${change.name}`;
      if (message !== undefined) errors.push({ type: change.type, name: change.name, message });
      else if (change.json === null) this.running.delete(key);
      else this.running.set(key, JSON.parse(change.json));
    }
    if (this.answers) this.say({ kind: "applied", seq, errors });
  }
}
