/** Open loop through two sidecars while VirtualServices change: the short form is a test, `make soak` the long one. */
import { connect, type Socket } from "node:net";
import type { MeshHarness, MeshWorkload } from "../../src/testkit/mesh-harness.ts";
import { eventually } from "../../src/testkit/mesh-harness.ts";

export interface OpenLoopOptions {
  readonly perSecond: number;
  readonly connections: number;
  readonly seconds: number;
  readonly edits: number;
}

export interface OpenLoopResult {
  readonly sent: number;
  readonly answered: number;
  /** Status -> count. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly closed: number;
  /** For each edit: from the API's answer to the first response of the new version, ms. */
  readonly seenAfterMs: readonly number[];
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** One kept connection to the caller's forward proxy. */
class Line {
  answered = 0;
  closed = false;
  private readonly socket: Socket;
  private readonly onAnswer: (status: string, body: string, ms: number) => void;
  private readonly head: string;
  private text = "";
  private readonly began: number[] = [];

  constructor(workload: MeshWorkload, onAnswer: (status: string, body: string, ms: number) => void) {
    this.onAnswer = onAnswer;
    const proxy = new URL(workload.sidecar.proxyUrl);
    const secret = Buffer.from(`${proxy.username}:${proxy.password}`).toString("base64");
    this.head = `GET http://versions:9080/ HTTP/1.1\r\nHost: versions:9080\r\nProxy-Authorization: Basic ${secret}\r\n\r\n`;
    this.socket = connect(Number(proxy.port), proxy.hostname);
    this.socket.setNoDelay(true);
    this.socket.on("data", (chunk: Buffer) => this.take(chunk.toString("latin1")));
    this.socket.on("close", () => {
      this.closed = true;
    });
    this.socket.on("error", () => {});
  }

  get waiting(): number {
    return this.began.length;
  }

  send(): void {
    this.began.push(performance.now());
    this.socket.write(this.head);
  }

  end(): void {
    this.socket.destroy();
  }

  private take(text: string): void {
    this.text += text;
    for (;;) {
      const end = this.text.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.text.slice(0, end))?.[1] ?? 0);
      if (this.text.length < end + 4 + length) return;
      const body = this.text.slice(end + 4, end + 4 + length);
      const status = this.text.slice(9, 12);
      this.text = this.text.slice(end + 4 + length);
      this.answered++;
      this.onAnswer(status, body, performance.now() - (this.began.shift() ?? 0));
    }
  }
}

export const virtualService = (version: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: versions}
spec:
  hosts: [versions]
  http:
  - route:
    - destination: {host: versions, subset: ${version}}
`;

/** Sends at its rate whatever the answers do; edits switch between v1 and v2. */
export async function openLoop(
  mesh: MeshHarness,
  caller: MeshWorkload,
  o: OpenLoopOptions,
): Promise<OpenLoopResult> {
  const statuses: Record<string, number> = {};
  const times: number[] = [];
  let latest = "";
  let waiter: ((at: number) => void) | undefined;
  const lines = Array.from(
    { length: o.connections },
    () =>
      new Line(caller, (status, body, ms) => {
        statuses[status] = (statuses[status] ?? 0) + 1;
        times.push(ms);
        if (body === latest) waiter?.(performance.now());
      }),
  );
  let sent = 0;
  const began = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - began) / 1000) * o.perSecond);
    for (; sent < due; sent++) {
      // The next line that waits for nothing; where all wait the request queues on one, and the loop stays open.
      const line =
        lines.find((l, i) => l.waiting === 0 && i >= sent % o.connections) ?? lines[sent % o.connections]!;
      line.send();
    }
  }, 2);
  const seenAfterMs: number[] = [];
  const pause = (o.seconds * 1000) / (o.edits + 1);
  for (let i = 0; i < o.edits; i++) {
    const at = began + pause * (i + 1);
    await eventually(async () => performance.now() >= at, pause * 4);
    const version = i % 2 === 0 ? "v2" : "v1";
    await mesh.apply(virtualService(version));
    const written = performance.now();
    latest = version;
    const seen = await new Promise<number>((resolve) => {
      waiter = resolve;
    });
    waiter = undefined;
    seenAfterMs.push(seen - written);
  }
  await eventually(async () => performance.now() - began >= o.seconds * 1000, o.seconds * 2_000);
  clearInterval(timer);
  await eventually(async () => lines.every((l) => l.waiting === 0), 5_000).catch(() => undefined);
  const answered = lines.reduce((n, l) => n + l.answered, 0);
  const closed = lines.filter((l) => l.closed).length;
  for (const line of lines) line.end();
  times.sort((a, b) => a - b);
  const quantile = (q: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? 0;
  return { sent, answered, statuses, closed, seenAfterMs, p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}
