import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:tls";
import { RevisionError } from "../../store/index.ts";
import { MAX_WATCH_BACKLOG } from "../limits.ts";
import { CM, configMap, type Harness, startHarness, VS, virtualService } from "./harness.ts";

let api: Harness;
beforeAll(async () => {
  api = await startHarness();
});
afterAll(() => api[Symbol.asyncDispose]());

const label = (name: string, labels: Record<string, string>) => ({
  ...configMap(name),
  metadata: { name, labels },
});
const seen = (event: { type: string; object: { metadata: { name: string } } }): string =>
  `${event.type} ${event.object.metadata.name}`;

describe("watch", () => {
  test("from a revision: what came after, then what comes, across a restart", async () => {
    const { body: made } = await api.call("POST", CM, configMap("w1"));
    await api.call("PUT", `${CM}/w1`, configMap("w1", { a: "1" }));
    const watch = await api.watch(`${CM}?watch=1&resourceVersion=${made.metadata.resourceVersion}`);
    const first = await watch.next();
    expect(seen(first)).toBe("MODIFIED w1");
    await api.call("DELETE", `${CM}/w1`);
    await api.call("POST", CM, configMap("w2"));
    const gone = await watch.next();
    expect(seen(gone)).toBe("DELETED w1");
    expect(Number(gone.object.metadata.resourceVersion)).toBeGreaterThan(
      Number(first.object.metadata.resourceVersion),
    );
    expect(seen(await watch.next())).toBe("ADDED w2");
    await api.restart();
    expect(await watch.next()).toBeUndefined();
    const again = await api.watch(`${CM}?watch=1&resourceVersion=${first.object.metadata.resourceVersion}`);
    expect([seen(await again.next()), seen(await again.next())]).toEqual(["DELETED w1", "ADDED w2"]);
    await again.cancel();
  });

  test("without a revision what exists comes first; WatchList ends it with a bookmark", async () => {
    await api.call("POST", VS, virtualService("w"));
    const plain = await api.watch(`${VS.replace("/v1/", "/v1beta1/")}?watch=1`);
    const event = await plain.next();
    expect([seen(event), event.object.apiVersion]).toEqual(["ADDED w", "networking.istio.io/v1beta1"]);
    await plain.cancel();
    const list = await api.watch(
      `${VS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    );
    expect(seen(await list.next())).toBe("ADDED w");
    const mark = await list.next();
    expect([mark.type, mark.object.metadata.annotations]).toEqual([
      "BOOKMARK",
      { "k8s.io/initial-events-end": "true" },
    ]);
    await list.cancel();
  });

  test("a selector turns changes into comings and goings", async () => {
    const { body } = await api.call("GET", CM);
    const watch = await api.watch(
      `${CM}?watch=1&labelSelector=a%3Db&resourceVersion=${body.metadata.resourceVersion}`,
    );
    await api.call("POST", CM, label("s", { a: "c" }));
    await api.call("PUT", `${CM}/s`, label("s", { a: "b" }));
    await api.call("PUT", `${CM}/s`, label("s", { a: "b", x: "y" }));
    await api.call("PUT", `${CM}/s`, label("s", { a: "c" }));
    const types = [await watch.next(), await watch.next(), await watch.next()].map((e) => e.type);
    expect(types).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    await watch.cancel();
  });

  test("resumes over more changes than one page without loss or repetition", async () => {
    const { body } = await api.call("GET", CM);
    await Promise.all([...Array(620).keys()].map((i) => api.call("POST", CM, configMap(`many-${i}`))));
    const watch = await api.watch(`${CM}?watch=1&resourceVersion=${body.metadata.resourceVersion}`);
    const more = Promise.all([...Array(40).keys()].map((i) => api.call("POST", CM, configMap(`more-${i}`))));
    const revisions: number[] = [];
    for (let i = 0; i < 660; i++)
      revisions.push(Number((await watch.next()).object.metadata.resourceVersion));
    await more;
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
    await watch.cancel();
  });

  test("a revision that is yet to come is an ERROR event", async () => {
    const watch = await api.watch(`${CM}?watch=1&resourceVersion=99999999`);
    expect(await watch.next()).toMatchObject({ type: "ERROR", object: { reason: "Timeout", code: 504 } });
    expect(await watch.next()).toBeUndefined();
    expect(new RevisionError("compacted", 3).current).toBe(3);
  });

  test("a watcher that does not read is closed at the limit, and the server goes on", async () => {
    const socket = connect({ host: "127.0.0.1", port: api.server.port, ca: api.server.caPem });
    await new Promise<void>((resolve) => socket.once("secureConnect", resolve));
    const { body } = await api.call("GET", CM);
    socket.write(
      `GET ${CM}?watch=1&resourceVersion=${body.metadata.resourceVersion} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${api.server.adminToken}\r\n\r\n`,
    );
    await new Promise<void>((resolve) => socket.once("data", () => resolve()));
    socket.pause();
    const size = 512 * 1024;
    await api.call("POST", CM, configMap("big"));
    const writes = Math.ceil((4 * MAX_WATCH_BACKLOG) / size);
    for (let i = 0; i < writes; i++)
      await api.call("PUT", `${CM}/big`, configMap("big", { d: `${i}`.padEnd(size, "x") }));
    let tail = "";
    let bytes = 0;
    socket.on("data", (chunk) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString("latin1")).slice(-2000);
    });
    const ended = new Promise<void>((resolve) => {
      const look = (): void => (tail.includes("0\r\n\r\n") ? resolve() : undefined);
      socket.on("data", look).on("close", () => resolve());
    });
    socket.resume();
    await ended;
    socket.destroy();
    expect(tail).toContain("the watcher is too slow");
    expect(bytes).toBeLessThan(3 * MAX_WATCH_BACKLOG);
    expect((await api.call("GET", `${CM}/big`)).status).toBe(200);
  });
});
