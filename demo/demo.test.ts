import { describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "./apps/index.ts";
import { collect, edgesBetween, edgeTable, parsePrometheus, SilentInstance, scrape } from "./edges.ts";
import { manifests } from "./manifests.ts";
import type { Instance } from "./stack.ts";
import { versions } from "./story/routing.ts";

describe("the four manifests", () => {
  test("are the user's own, byte for byte", () => {
    for (const [name, text] of Object.entries(manifests)) {
      const own = readFileSync(join(import.meta.dir, `manifests/${name}.yaml`), "utf8");
      expect(text).toBe(own);
      const seed = join(import.meta.dir, `../../shared/seed/${name}.yaml`);
      if (existsSync(seed)) expect(own).toBe(readFileSync(seed, "utf8"));
    }
    expect(Object.keys(manifests)).toHaveLength(4);
  });
});

describe("applications", () => {
  const get = (app: (r: Request) => Promise<Response>, path: string, init?: RequestInit) =>
    app(new Request(`http://app${path}`, init));

  test("v2 calls ratings and passes the user on; v1 calls nobody", async () => {
    const calls: [string, Headers][] = [];
    const call = async (url: string, init?: RequestInit): Promise<Response> => {
      calls.push([url, new Headers(init?.headers)]);
      return Response.json({ first: 5 });
    };
    await get(createApp("reviews", "v1", { call }), "/reviews/0");
    expect(calls).toHaveLength(0);
    const answer = await get(createApp("reviews", "v2", { call }), "/reviews/0", {
      headers: { "end-user": "jason" },
    });
    expect(await answer.json()).toMatchObject({ version: "v2", color: "black", stars: { first: 5 } });
    expect(calls[0]![0]).toBe("http://ratings:9080/ratings/0");
    expect(calls[0]![1].get("end-user")).toBe("jason");
  });

  test("an operator's hand makes an application fail, hold and go on", async () => {
    const app = createApp("details", "v1");
    const control = async (wish: object) =>
      (await get(app, "/control", { method: "POST", body: JSON.stringify(wish) })).json();
    await control({ fail: 503 });
    expect((await get(app, "/details/0")).status).toBe(503);
    await control({ hold: true });
    const held = get(app, "/details/0?hold");
    expect((await get(app, "/details/0")).status).toBe(200);
    expect(await (await get(app, "/control")).json()).toEqual({ seen: 3, marked: 0, parked: 1 });
    await control({});
    expect((await held).status).toBe(200);
  });

  test("a broken case fails each time and its tries are counted", async () => {
    const app = createApp("web-api", "v1");
    for (let i = 0; i < 2; i++)
      expect((await get(app, "/users?case=broken-1", { method: "POST" })).status).toBe(503);
    expect(await (await get(app, "/tries?case=broken-1")).json()).toEqual({ tries: 2 });
  });

  test("versions are counted in answers of the page and of reviews", () => {
    const answer = (body: unknown, status = 200) => ({
      status,
      ms: 1,
      flags: "",
      body: JSON.stringify(body),
    });
    expect(
      versions([answer({ reviews: { version: "v1" } }), answer({ version: "v2" }), answer({}, 503)]),
    ).toEqual({
      v1: 1,
      v2: 1,
      "status 503": 1,
    });
  });
});

describe("edges", () => {
  const page = (requests: number, errors: number, fast: number): string =>
    [
      "# TYPE istio_requests_total counter",
      `istio_requests_total{reporter="source",source_app="a",destination_service_name="b",destination_version="v1",response_code="200"} ${requests}`,
      `istio_requests_total{reporter="source",source_app="a",destination_service_name="b",destination_version="v2",response_code="503"} ${errors}`,
      `istio_requests_total{reporter="destination",source_app="a",destination_service_name="b",connection_security_policy="mutual_tls"} ${requests}`,
      `istio_request_duration_milliseconds_bucket{reporter="source",source_app="a",destination_service_name="b",le="5"} ${fast}`,
      `istio_request_duration_milliseconds_bucket{reporter="source",source_app="a",destination_service_name="b",le="+Inf"} ${requests + errors}`,
    ].join("\n");
  const snapshot = (...n: [number, number, number]) => collect(parsePrometheus(page(...n)));

  test("rates, errors, p99, lock and versions between two pages", () => {
    const [row] = edgesBetween(snapshot(10, 0, 10), snapshot(109, 1, 110), 10);
    expect(row).toEqual({
      edge: "a -> b",
      perSecond: 10,
      errorsPercent: 1,
      p99Ms: 5,
      locked: true,
      versions: "v1 99%, v2 1%",
    });
    expect(edgeTable([row!])).toContain("a -> b  10.0   1.0%    <=5 ms  mTLS  v1 99%, v2 1%");
  });

  test("slow requests move p99, a quiet edge is left out", () => {
    expect(edgesBetween(snapshot(0, 0, 0), snapshot(100, 0, 98), 1)[0]!.p99Ms).toBe(Number.POSITIVE_INFINITY);
    expect(edgesBetween(snapshot(5, 0, 5), snapshot(5, 0, 5), 1)).toEqual([]);
  });

  test("an instance whose page cannot be had is named, with what became of it", async () => {
    const dir = mkdtempSync(join(tmpdir(), "weft-edges-"));
    const log = join(dir, "reviews-v2.log");
    writeFileSync(log, "one\nError: EADDRINUSE\n");
    const gone = Bun.spawn(["sh", "-c", "exit 3"]);
    await gone.exited;
    const instance: Instance = {
      ...{ id: "reviews-v2", service: "reviews", version: "v2", appPort: 1, address: "127.66.255.254" },
      ...{ log, process: gone },
    };
    const error = await scrape({ instances: [instance] }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(SilentInstance);
    expect((error as Error).message).toContain(
      "reviews-v2 at 127.66.255.254: its weft run ended with status 3",
    );
    expect((error as Error).message).toEndWith("    Error: EADDRINUSE");
    rmSync(dir, { recursive: true });
  });

  test("escapes in label values", () => {
    expect(parsePrometheus('x{a="q\\"\\\\\\n"} 1')[0]!.labels).toEqual({ a: 'q"\\\n' });
  });
});
