import { expect, test } from "bun:test";
import { istioBuckets, metricRowWords } from "../config/index.ts";
import { exposition, MetricStore } from "./index.ts";

const row = (): Float64Array => new Float64Array(metricRowWords);

test("exposition escapes label values and writes HELP and TYPE once a name", () => {
  const store = new MetricStore();
  const words = row();
  store.addRow(0, words);
  store.addSeries(0, 300, "istio_requests_total", ["reporter", "source", "source_app", 'a"b\\c\nd']);
  store.addSeries(0, 301, "istio_requests_total", ["reporter", "destination"]);
  words[300] = 2;
  words[301] = 1_000_000_000_000;
  expect(exposition(store.collect())).toBe(
    [
      "# HELP istio_requests_total Requests by source, destination, code and response flags.",
      "# TYPE istio_requests_total counter",
      'istio_requests_total{reporter="destination"} 1000000000000',
      'istio_requests_total{reporter="source",source_app="a\\"b\\\\c\\nd"} 2',
      "",
    ].join("\n"),
  );
});

test("exposition writes a histogram's buckets cumulatively, with sum and count", () => {
  const store = new MetricStore();
  const words = row();
  store.addRow(0, words);
  store.addSeries(0, 300, "istio_request_duration_milliseconds", ["reporter", "source"]);
  words[300] = 1;
  words[302] = 2;
  words[300 + istioBuckets.length] = 4;
  words[300 + istioBuckets.length + 1] = 12.5;
  const lines = exposition(store.collect()).split("\n");
  const name = "istio_request_duration_milliseconds";
  expect(lines).toContain(`${name}_bucket{reporter="source",le="0.5"} 1`);
  expect(lines).toContain(`${name}_bucket{reporter="source",le="1"} 1`);
  expect(lines).toContain(`${name}_bucket{reporter="source",le="5"} 3`);
  expect(lines).toContain(`${name}_bucket{reporter="source",le="3600000"} 3`);
  expect(lines).toContain(`${name}_bucket{reporter="source",le="+Inf"} 7`);
  expect(lines).toContain(`${name}_sum{reporter="source"} 12.5`);
  expect(lines).toContain(`${name}_count{reporter="source"} 7`);
  expect(lines.filter((l) => l.includes("_bucket")).length).toBe(istioBuckets.length + 1);
});

test("metric store sums threads, keeps the counters of one that is gone and drops its gauges", () => {
  const store = new MetricStore();
  const [first, second, third] = [row(), row(), row()];
  store.addRow(0, first);
  store.addRow(1, second);
  const labels = ["envoy_cluster_name", "a"];
  for (const thread of [0, 1]) {
    store.addSeries(thread, 300, "envoy_cluster_upstream_rq_total", labels);
    store.addSeries(thread, 301, "envoy_cluster_upstream_cx_active", labels);
  }
  first[300] = 5;
  second[300] = 7;
  first[301] = 1;
  second[301] = 2;
  const value = (name: string): number | undefined => store.collect().find((s) => s.name === name)?.values[0];
  expect(value("envoy_cluster_upstream_rq_total")).toBe(12);
  expect(value("envoy_cluster_upstream_cx_active")).toBe(3);
  store.retire(1);
  store.addRow(1, third);
  store.addSeries(1, 400, "envoy_cluster_upstream_rq_total", labels);
  third[400] = 1;
  expect(value("envoy_cluster_upstream_rq_total")).toBe(13);
  expect(value("envoy_cluster_upstream_cx_active")).toBe(1);
});

test("metric store refuses series that make no sense", () => {
  const store = new MetricStore();
  store.addRow(0, row());
  expect(store.addSeries(0, 300, "no_such_metric", [])).toBe(false);
  expect(store.addSeries(0, metricRowWords, "istio_requests_total", [])).toBe(false);
  expect(store.addSeries(0, metricRowWords - 1, "istio_requests_total", [])).toBe(true);
  expect(store.addSeries(0, 300, "istio_requests_total", ["odd"])).toBe(false);
  expect(store.addSeries(9, 300, "istio_requests_total", [])).toBe(false);
});
