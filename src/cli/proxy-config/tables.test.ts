import { expect, test } from "bun:test";
import { readDump } from "../../explain/dump/index.ts";
import { pageOf } from "./tables.ts";

const type = (name: string): { "@type": string } => ({
  "@type": `type.googleapis.com/envoy.admin.v3.${name}ConfigDump`,
});
const cluster = { name: "outbound|9080|v2|reviews.default.svc.cluster.local", type: "EDS" };
const listener = (port: number): object => ({
  name: "in",
  address: { socket_address: { address: "127.0.0.1", port_value: port } },
  filter_chains: [{ filters: [] }],
});
const dump = readDump({
  configs: [
    {
      ...type("Clusters"),
      dynamic_active_clusters: [{ cluster }],
      dynamic_warming_clusters: [{ cluster: { ...cluster, connect_timeout: "2s" } }],
    },
    {
      ...type("Listeners"),
      dynamic_listeners: [
        {
          name: "in",
          active_state: { listener: listener(1) },
          draining_state: { listener: listener(2) },
          error_state: { details: "not this one" },
        },
      ],
    },
  ],
})!;

test("what is not in effect yet, or not for long, is told apart", () => {
  expect(pageOf("clusters", dump, {}, 0).rows.map((r) => r[4])).toEqual(["EDS", "EDS (warming)"]);
  const { rows, refused, data } = pageOf("listeners", dump, {}, 0);
  expect(rows.map((r) => r[4])).toEqual(["closed at once", "closed at once (draining)"]);
  expect(new Set(refused.map((r) => r.error))).toEqual(new Set(["not this one"]));
  expect(data).toHaveLength(2);
});

test("an empty page has a head and no rows", () => {
  const page = pageOf("secrets", dump, {}, 0);
  expect([page.rows, page.data, page.header.length]).toEqual([[], [], 8]);
});
