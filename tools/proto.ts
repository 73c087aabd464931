/**
 * Generates src/proto/gen from the .proto files that @grpc/grpc-js-xds ships and the hand-written ones
 * in src/proto/local. Runs when the inputs changed (stamp file), at build time; nothing is vendored.
 */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const deps = join(root, "node_modules/@grpc/grpc-js-xds/deps");
const work = join(root, ".cache/proto");
const out = join(root, "src/proto/gen");

/** Roots: everything they import is generated too. Extend when a new Envoy message is needed. */
const paths = [
  "envoy/service/discovery/v3/ads.proto",
  "envoy/service/discovery/v3/discovery.proto",
  "envoy/service/secret/v3/sds.proto",
  "envoy/config/bootstrap/v3/bootstrap.proto",
  "envoy/config/listener/v3/listener.proto",
  "envoy/config/route/v3/route.proto",
  "envoy/config/cluster/v3/cluster.proto",
  "envoy/config/endpoint/v3/endpoint.proto",
  "envoy/admin/v3/config_dump.proto",
  "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
  "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
  "envoy/extensions/filters/network/rbac/v3/rbac.proto",
  "envoy/extensions/filters/http/router/v3/router.proto",
  "envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy.proto",
  "envoy/extensions/filters/http/set_filter_state/v3/set_filter_state.proto",
  "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
  "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
  "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
  "envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster.proto",
  "envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache.proto",
  "envoy/extensions/transport_sockets/tls/v3/tls.proto",
  "envoy/extensions/transport_sockets/tls/v3/secret.proto",
  "envoy/extensions/transport_sockets/internal_upstream/v3/internal_upstream.proto",
  "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
  "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
  "envoy/extensions/access_loggers/file/v3/file.proto",
  "envoy/extensions/access_loggers/stream/v3/stream.proto",
  "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.proto",
  "envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto",
  "envoy/extensions/filters/http/fault/v3/fault.proto",
  "envoy/extensions/filters/http/cors/v3/cors.proto",
  "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.proto",
  "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto",
  "envoy/extensions/load_balancing_policies/maglev/v3/maglev.proto",
  "envoy/extensions/load_balancing_policies/random/v3/random.proto",
  "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.proto",
  "envoy/extensions/load_balancing_policies/cluster_provided/v3/cluster_provided.proto",
  "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
  "envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.proto",
  "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.proto",
  "envoy/extensions/path/match/uri_template/v3/uri_template_match.proto",
  "envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite.proto",
  "google/rpc/status.proto",
];

function stamp(): string {
  const local = join(root, "src/proto/local");
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(readFileSync(import.meta.path));
  hasher.update(readFileSync(join(root, "bun.lock")));
  for (const f of (readdirSync(local, { recursive: true }) as string[]).sort()) {
    if (f.endsWith(".proto")) hasher.update(f).update(readFileSync(join(local, f)));
  }
  return hasher.digest("hex");
}

function prepare(): void {
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  for (const d of ["envoy-api", "googleapis", "xds"]) cpSync(join(deps, d), work, { recursive: true });
  cpSync(join(deps, "protoc-gen-validate/validate"), join(work, "validate"), { recursive: true });
  // The shipped validate.proto is older than Envoy's use of it: it lacks ignore_empty on scalar rules.
  const validate = join(work, "validate/validate.proto");
  const text = readFileSync(validate, "utf8");
  if (!text.includes("ignore_empty")) {
    writeFileSync(
      validate,
      text.replace(
        /^(message (?!FieldRules|MessageRules)\w+Rules \{)$/gm,
        "$1\n  optional bool ignore_empty = 99;",
      ),
    );
  }
  writeFileSync(join(work, "buf.yaml"), "version: v2\nmodules:\n  - path: .\n");
}

function generate(): void {
  const local = join(root, "src/proto/local");
  cpSync(local, work, { recursive: true });
  const locals = (readdirSync(local, { recursive: true }) as string[]).filter((f) => f.endsWith(".proto"));
  const template = join(work, "buf.gen.yaml");
  writeFileSync(
    template,
    [
      "version: v2",
      "plugins:",
      `  - local: ${join(root, "node_modules/.bin/protoc-gen-es")}`,
      `    out: ${out}`,
      "    include_imports: true",
      "    strategy: all",
      "    opt: [target=js+dts, import_extension=js]",
    ].join("\n"),
  );
  rmSync(out, { recursive: true, force: true });
  const args = [...paths, ...locals].flatMap((p) => ["--path", join(work, p)]);
  const run = Bun.spawnSync(
    [join(root, "node_modules/.bin/buf"), "generate", work, "--template", template, ...args],
    {
      cwd: work,
      stdout: "inherit",
      stderr: "inherit",
      env: { ...process.env, PATH: `${join(process.execPath, "..")}:${process.env["PATH"]}` },
    },
  );
  if (run.exitCode !== 0) throw new Error(`buf generate failed with status ${run.exitCode}`);
}

const want = stamp();
const stampFile = join(out, ".stamp");
if (!existsSync(stampFile) || readFileSync(stampFile, "utf8") !== want) {
  prepare();
  generate();
  writeFileSync(stampFile, want);
}
