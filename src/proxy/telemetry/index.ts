export { MetricStore, type Sample } from "./metric-store.ts";
export { escapeLabel, exposition, type PlainSample, prometheusContentType } from "./prometheus.ts";
