/** For tests of the data plane: configurations with defaults, raw clients and origins on loopback, port 0. */
import { type Clock, seededRng, systemClock } from "../../base/index.ts";
import {
  type ClusterConfig,
  type EndpointConfig,
  type FromWorker,
  type HttpManagerConfig,
  type ListenerConfig,
  metricRowWords,
  type Peer,
  type ResourceChange,
  type RouteConfig,
  type RouteTableConfig,
  sharedWords,
} from "../config/index.ts";
import { createDataPlane, type DataPlane } from "./data-plane.ts";
import type { Net } from "./net.ts";

export const httpDefaults: HttpManagerConfig = {
  statPrefix: "test",
  routeTable: "routes",
  forwardProxy: false,
  requestHeadersTimeoutMs: 10_000,
  requestTimeoutMs: 0,
  streamIdleTimeoutMs: 300_000,
  idleTimeoutMs: 3_600_000,
  drainTimeoutMs: 5000,
  maxRequestsPerConnection: 0,
  maxHeaderBytes: 60 * 1024,
  maxHeaderCount: 100,
  serverName: "weft",
  serverHeader: "overwrite",
  normalizePath: true,
  mergeSlashes: true,
  useRemoteAddress: false,
  xffNumTrustedHops: 0,
  internalAddresses: [],
  generateRequestId: true,
  accessLogs: [
    {
      path: "stdout",
      format: { kind: "text", text: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\n" },
    },
  ],
  dynamicForwardProxy: false,
  httpVersion10Accepted: true,
};

export const clusterDefaults: ClusterConfig = {
  name: "origin",
  discovery: "endpoints",
  lb: "round_robin",
  choiceCount: 2,
  connectTimeoutMs: 5000,
  panicThreshold: 50,
  breaker: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
  transports: [null],
  idleTimeoutMs: 3_600_000,
  maxRequestsPerConnection: 0,
  slot: 0,
};

export function route(
  cluster: string,
  more: Partial<Extract<RouteConfig["action"], { kind: "route" }>> = {},
  match: Partial<RouteConfig["match"]> = {},
): RouteConfig {
  return {
    name: "r",
    match: { path: { kind: "prefix", value: "/" }, headers: [], query: [], ...match },
    action: { kind: "route", clusters: [{ cluster, weight: 1 }], totalWeight: 1, timeoutMs: 0, ...more },
    requestHeadersAdd: [],
    requestHeadersRemove: [],
    responseHeadersAdd: [],
    responseHeadersRemove: [],
  };
}

export function endpoint(port: number, index: number, more: Partial<EndpointConfig> = {}): EndpointConfig {
  return {
    address: `127.0.0.1:${port}`,
    host: "127.0.0.1",
    port,
    weight: 1,
    priority: 0,
    healthy: true,
    transport: 0,
    slot: 1024 + index * 8,
    ...more,
  };
}

/** tcp_proxy to these clusters, in equal parts, tried once. */
export function tcpTo(...names: readonly string[]) {
  return {
    kind: "tcp",
    clusters: names.map((cluster) => ({ cluster, weight: 1 })),
    totalWeight: names.length,
    connectAttempts: 1,
    statPrefix: "t",
    idleTimeoutMs: 0,
    accessLogs: [],
  } as const;
}

export function listener(
  more: Partial<ListenerConfig> = {},
  http: Partial<HttpManagerConfig> = {},
): ListenerConfig {
  return {
    name: "main",
    address: "127.0.0.1",
    port: 0,
    direction: "outbound",
    detectTimeoutMs: 15_000,
    filterChains: [
      {
        name: "only",
        serverNames: [],
        alpn: [],
        transportProtocol: "",
        filter: { kind: "http", http: { ...httpDefaults, ...http } },
      },
    ],
    ...more,
  };
}

export const change = {
  listener: (c: ListenerConfig): ResourceChange => ({
    type: "listener",
    name: c.name,
    json: JSON.stringify(c),
  }),
  cluster: (c: Partial<ClusterConfig> = {}): ResourceChange => {
    const full = { ...clusterDefaults, ...c };
    return { type: "cluster", name: full.name, json: JSON.stringify(full) };
  },
  endpoints: (cluster: string, endpoints: readonly EndpointConfig[]): ResourceChange => ({
    type: "endpoints",
    name: cluster,
    json: JSON.stringify({ cluster, endpoints }),
  }),
  routes: (routes: readonly RouteConfig[], more: Partial<RouteTableConfig> = {}): ResourceChange => ({
    type: "route",
    name: more.name ?? "routes",
    json: JSON.stringify({
      name: "routes",
      virtualHosts: [{ name: "all", domains: ["*"], routes }],
      ...more,
    }),
  }),
};

export const peer: Peer = {
  workload: "test-v1",
  namespace: "default",
  app: "test",
  version: "v1",
  service: "test",
  revision: "v1",
  cluster: "Kubernetes",
};

export interface TestPlane extends DataPlane {
  readonly posted: FromWorker[];
  readonly table: Int32Array;
  /** What the plane holds of the table's counts. */
  readonly ledger: Int32Array;
  apply(changes: readonly ResourceChange[]): readonly { readonly name: string; readonly message: string }[];
  /** Sum of a metric over its series, with all of the given labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
  /** Access log lines so far. */
  logs(): string[];
}

export function testPlane(
  options: { clock?: Clock; shared?: SharedArrayBuffer; credential?: string; seed?: number; net?: Net } = {},
): TestPlane {
  const posted: FromWorker[] = [];
  const shared = options.shared ?? new SharedArrayBuffer(sharedWords * 4);
  const ledger = new SharedArrayBuffer(sharedWords * 4);
  const metrics = new SharedArrayBuffer(metricRowWords * 8);
  const row = new Float64Array(metrics);
  const plane = createDataPlane({
    init: {
      kind: "init",
      index: 0,
      shared,
      ledger,
      metrics,
      peerMetadata: "CgA=",
      peerMetadataId: "sidecar~test",
      localPeer: peer,
      proxyCredential: options.credential ?? null,
      seed: 1,
      logLevel: "debug",
    },
    clock: options.clock ?? systemClock,
    rng: seededRng(options.seed ?? 1),
    post: (m) => posted.push(m),
    ...(options.net && { net: options.net }),
  });
  let seq = 0;
  return {
    handle: (m) => plane.handle(m),
    port: (name) => plane.port(name),
    stop: () => plane.stop(),
    posted,
    table: new Int32Array(shared),
    ledger: new Int32Array(ledger),
    apply(resources: readonly ResourceChange[]) {
      plane.handle({ kind: "update", seq: ++seq, resources, secrets: [] });
      const applied = posted.findLast((m) => m.kind === "applied");
      return applied?.kind === "applied" ? applied.errors : [];
    },
    metric(name: string, labels: Readonly<Record<string, string>> = {}) {
      let sum = 0;
      for (const m of posted) {
        if (m.kind !== "series" || m.name !== name) continue;
        const has = (k: string, v: string): boolean =>
          m.labels.some((l, i) => i % 2 === 0 && l === k && m.labels[i + 1] === v);
        if (Object.entries(labels).every(([k, v]) => has(k, v))) sum += row[m.slot]!;
      }
      return sum;
    },
    logs: () =>
      posted.flatMap((m) => (m.kind === "access-log" ? m.lines.split("\n").filter((l) => l !== "") : [])),
  };
}

/** Bytes from a peer, to be awaited by what they hold. */
export class Inbox {
  text = "";
  closed = false;
  private waiters: { readonly done: () => boolean; readonly resolve: () => void }[] = [];

  push(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString("latin1");
    this.check();
  }

  close(): void {
    this.closed = true;
    this.check();
  }

  /** Resolves once `done` holds; it is asked after each arrival. */
  until(done: () => boolean): Promise<void> {
    if (done()) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ done, resolve }));
  }

  async match(pattern: RegExp): Promise<RegExpExecArray> {
    await this.until(() => pattern.test(this.text) || this.closed);
    const found = pattern.exec(this.text);
    if (!found) throw new Error(`closed without ${pattern}: ${JSON.stringify(this.text)}`);
    return found;
  }

  private check(): void {
    const ready = this.waiters.filter((w) => w.done());
    this.waiters = this.waiters.filter((w) => !ready.includes(w));
    for (const w of ready) w.resolve();
  }
}

export interface RawSocket {
  readonly inbox: Inbox;
  send(data: string | Uint8Array): void;
  end(): void;
  shutdown(): void;
  pause(): void;
  resume(): void;
}

function wrap(socket: Bun.Socket<Inbox>): RawSocket {
  return {
    inbox: socket.data,
    send: (data) => void socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data),
    end: () => socket.end(),
    shutdown: () => socket.shutdown(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
  };
}

const inboxHandlers: Bun.SocketHandler<Inbox> = {
  data: (s, b) => s.data.push(b),
  end: (s) => s.data.close(),
  close: (s) => s.data.close(),
  error: () => undefined,
};

export async function connect(port: number): Promise<RawSocket> {
  const socket = await Bun.connect<Inbox>({
    hostname: "127.0.0.1",
    port,
    socket: inboxHandlers,
    data: new Inbox(),
  });
  return wrap(socket);
}

export interface Origin {
  readonly port: number;
  readonly connections: RawSocket[];
  /** Number of connections ever accepted reaches n. */
  accepted(n: number): Promise<void>;
  stop(): void;
}

/** Accepts connections; `onData` may answer. */
export function origin(onData?: (socket: RawSocket, index: number) => void): Origin {
  const connections: RawSocket[] = [];
  const arrivals = new Inbox();
  const listening = Bun.listen<Inbox>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: {
      ...inboxHandlers,
      open(s) {
        s.data = new Inbox();
        connections.push(wrap(s));
        arrivals.push(new Uint8Array(0));
      },
      data(s, b) {
        s.data.push(b);
        const at = connections.findIndex((c) => c.inbox === s.data);
        onData?.(connections[at]!, at);
      },
    },
  });
  return {
    port: listening.port,
    connections,
    accepted: (n) => arrivals.until(() => connections.length >= n),
    stop: () => listening.stop(true),
  };
}

/** An origin that answers every GET at once with its text. */
export function answering(text: (requests: number) => string): Origin {
  let requests = 0;
  return origin((socket) => {
    while (/\r\n\r\n/.test(socket.inbox.text)) {
      socket.inbox.text = socket.inbox.text.replace(/^[\s\S]*?\r\n\r\n/, "");
      socket.send(text(++requests));
    }
  });
}

export const ok = (body: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
