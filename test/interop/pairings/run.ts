/** Runs the table in one pairing of proxies, and says what was seen of each row. */
import { connect } from "node:net";
import { manifests } from "../../../demo/manifests.ts";
import { type EnvoyBinary, findEnvoy } from "../../../src/app/envoy/index.ts";
import { delay, systemClock } from "../../../src/base/index.ts";
import { renderFor } from "../../../src/mesh/render/index.ts";
import {
  type Application,
  eventually,
  type MeshHarness,
  type MeshWorkload,
  startMesh,
} from "../../../src/testkit/mesh-harness.ts";
import { nodeOf } from "../../golden/harness.ts";
import { judge } from "../../golden/judge.ts";
import { meshConfig, table } from "./manifests.ts";
import type { Row } from "./rows.ts";

export type Kind = "weft" | "envoy";

/** What is compared between pairings. */
export interface Seen {
  readonly status: readonly number[];
  /** Version -> answers. */
  readonly versions: Readonly<Record<string, number>>;
  readonly tries: number;
  /** Response flags in the access logs of the caller's and of the callee's proxies, sorted, without repetition. */
  readonly callerFlags: readonly string[];
  readonly calleeFlags: readonly string[];
}

export interface Result {
  readonly seen: ReadonlyMap<string, Seen>;
  /** What Envoy's own validation says of what was rendered. */
  readonly complaints: readonly string[];
}

interface LogLine {
  readonly path?: string;
  readonly response_flags?: string;
}

/** The application: what a request asks for is in its query. */
class Applications {
  private readonly tries = new Map<string, number>();

  of(key: string): number {
    return this.tries.get(key) ?? 0;
  }

  serve(version: string): Application {
    return async (request) => {
      const query = new URL(request.url).searchParams;
      const number = (name: string): number => Number(query.get(name) ?? 0);
      const key = query.get("key") ?? "";
      const count = this.of(key) + 1;
      this.tries.set(key, count);
      const body = await request.text();
      const headers = { "x-version": version };
      const wait = number("delay") || (count <= number("slow") ? 1_500 : 0);
      if (wait > 0) await delay(systemClock, wait);
      if (query.has("hangup")) return new Response(cut(), { headers: { "content-length": "9" } });
      const status = count <= number("fail") ? number("with") || 503 : number("status") || 200;
      const empty = status === 204 || status === 304;
      return new Response(empty ? null : query.has("echo") ? body : "ok\n", { status, headers });
    };
  }
}

/** A body that fails before its first byte. */
const cut = (): ReadableStream => new ReadableStream({ start: (c) => c.error(new Error("cut")) });

const services: Readonly<Record<string, readonly string[]>> = {
  shop: ["v1", "v2", "v3"],
  small: ["v1"],
  reviews: ["v1", "v2", "v3"],
  "web-api": ["v1"],
};

class Pairing {
  private readonly apps = new Applications();
  private readonly logs = { caller: [] as LogLine[], callee: [] as LogLine[] };
  private readonly answers = new Map<string, { status: number; version: string }[]>();
  private mesh!: MeshHarness;
  private caller!: MeshWorkload;
  private readonly callees = new Map<string, MeshWorkload>();
  private readonly envoy: EnvoyBinary;
  private readonly kinds: { readonly caller: Kind; readonly callee: Kind };

  constructor(envoyPath: string, caller: Kind, callee: Kind) {
    this.envoy = findEnvoy({ path: envoyPath, env: {} });
    this.kinds = { caller, callee };
  }

  private proxy(side: "caller" | "callee") {
    let rest = "";
    const accessLog = (text: string): void => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("{")) this.logs[side].push(JSON.parse(line) as LogLine);
    };
    return { accessLog, ...(this.kinds[side] === "envoy" && { envoy: this.envoy }) };
  }

  async start(): Promise<void> {
    this.mesh = await startMesh({ defaultMtls: "permissive" });
    await this.mesh.apply(meshConfig);
    this.caller = await this.mesh.add({ service: "caller", version: "v1", ...this.proxy("caller") });
    const instances = Object.entries(services).flatMap(([service, versions]) =>
      versions.map((version) => ({ service, version })),
    );
    await Promise.all(
      instances.map(async ({ service, version }) => {
        const app = this.apps.serve(version);
        const added = await this.mesh.add({ service, version, app, ...this.proxy("callee") });
        this.callees.set(`${service}-${version}`, added);
      }),
    );
    const said = await Promise.all([table, ...Object.values(manifests)].map((text) => this.mesh.apply(text)));
    const errors = said.flat().filter((s) => s.startsWith("error"));
    if (errors.length > 0) throw new Error(errors.join("\n"));
    await this.settled();
  }

  /** The last of the rules acts at the caller, the policy at the callees, every version is known. */
  private async settled(): Promise<void> {
    const status = async (url: string) => (await this.caller.fetch(url)).status;
    for (const v of ["v1", "v2", "v3"])
      await eventually(async () => (await status(`http://shop:9080/only-${v}`)) === 200, 20_000);
    await eventually(async () => (await status("http://shop:9080/respond-401")) === 401, 20_000);
    for (const service of ["small", "web-api"])
      await eventually(async () => (await status(`http://${service}:9080/`)) === 200, 20_000);
    await eventually(async () => {
      const versions = new Set<string>();
      for (let i = 0; i < 10; i++)
        versions.add((await this.caller.fetch("http://reviews:9080/")).headers.get("x-version") ?? "");
      return versions.size === 1 && versions.has("v1");
    }, 20_000);
    for (const [, callee] of this.callees)
      await eventually(async () => (await this.plaintext(callee.address, "/")) === 0, 20_000);
  }

  private plaintext(address: string, path: string): Promise<number> {
    return new Promise((resolve) => {
      let got = "";
      const socket = connect(9080, address, () => socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`));
      socket.on("data", (chunk: Buffer) => {
        got += chunk.toString("latin1");
        socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => resolve(Number(/^HTTP\/1.1 (\d+)/.exec(got)?.[1] ?? 0)));
    });
  }

  async ask(row: Row): Promise<void> {
    const url = new URL(row.url);
    const key = keyOf(row);
    url.searchParams.set("key", key);
    const once = async (): Promise<{ status: number; version: string }> => {
      if (row.plaintext) {
        const { address } = this.callees.get(`${url.hostname}-v1`)!;
        return { status: await this.plaintext(address, `${url.pathname}${url.search}`), version: "" };
      }
      const to = new URL(url);
      if (row.published) to.hostname = this.callees.get(`${url.hostname}-v1`)!.address;
      const answer = await this.caller.fetch(to.href, {
        method: row.method ?? "GET",
        redirect: "manual",
        ...(row.headers && { headers: row.headers }),
        ...(row.body !== undefined && { body: row.body }),
      });
      await answer.arrayBuffer();
      return { status: answer.status, version: answer.headers.get("x-version") ?? "" };
    };
    const count = row.count ?? 1;
    const answers: { status: number; version: string }[] = [];
    if (row.together) answers.push(...(await Promise.all(Array.from({ length: count }, once))));
    else for (let i = 0; i < count; i++) answers.push(await once());
    this.answers.set(row.name, answers);
  }

  /** After the logs were written. */
  seen(row: Row): Seen {
    const answers = this.answers.get(row.name) ?? [];
    const key = keyOf(row);
    const flags = (side: "caller" | "callee"): string[] => {
      const own = this.logs[side].filter((l) => l.path?.includes(`key=${key}`) === true);
      return [...new Set(own.map((l) => l.response_flags ?? "-"))].sort();
    };
    const counted = Map.groupBy(
      answers.filter((a) => a.version !== ""),
      (a) => a.version,
    );
    const versions = Object.fromEntries([...counted].map(([v, list]) => [v, list.length] as const).sort());
    const status = answers.map((a) => a.status).sort((a, b) => a - b);
    return {
      status: row.together ? status : [...new Set(status)],
      versions,
      tries: this.apps.of(key),
      callerFlags: flags("caller"),
      calleeFlags: flags("callee"),
    };
  }

  complaints(): readonly string[] {
    const mesh = this.mesh.dev.plane.control.mesh;
    if (mesh === undefined) return ["there is no mesh"];
    return [this.caller, ...this.callees.values()].flatMap(({ sidecar }) => {
      const { workload, namespace } = sidecar.registration;
      const node = { ...nodeOf(mesh, `${namespace}/${workload}`), kind: "envoy" as const };
      const said = judge(this.envoy.path, renderFor(mesh, node));
      return said === "" ? [] : [`${workload}: ${said}`];
    });
  }

  stop(): Promise<void> {
    return this.mesh?.stop() ?? Promise.resolve();
  }
}

const keyOf = (row: Row): string => row.name.replaceAll(/[^a-z0-9]+/gi, "_");

/** What lasts longest is a try that its caller gave up: its callee's log line comes after it. */
const logsMs = 2_000;

export async function runPairing(
  envoyPath: string,
  kinds: { readonly caller: Kind; readonly callee: Kind },
  list: readonly Row[],
): Promise<Result> {
  const pairing = new Pairing(envoyPath, kinds.caller, kinds.callee);
  try {
    await pairing.start();
    for (const row of list) await pairing.ask(row);
    await delay(systemClock, logsMs);
    return {
      seen: new Map(list.map((row) => [row.name, pairing.seen(row)])),
      complaints: pairing.complaints(),
    };
  } finally {
    await pairing.stop();
  }
}
