/** From a request to its answer: health, discovery, OpenAPI, token reviews, resources; errors become Status. */
import { stringify } from "yaml";
import { isAdministrator } from "./auth.ts";
import { backupPath } from "./backup.ts";
import { decodeBody, mediaType, readBytes } from "./body.ts";
import type { Catalog } from "./catalog.ts";
import {
  aggregated,
  aggregatedVersion,
  apiGroup,
  apiGroupList,
  apiResources,
  apiVersions,
  versionInfo,
  versionsOf,
} from "./discovery.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { openApiV2 } from "./openapi-v2.ts";
import { V2_CONTENT_TYPE } from "./openapi-v2-protobuf.ts";
import { parsePath } from "./path.ts";
import { type Answer, type Backend, serveResource } from "./resources.ts";
import { answerReview } from "./reviews.ts";
import { badRequest, forbidden, internal, methodNotAllowed, noSuchPath, StatusError } from "./status.ts";

/** Serves one request; never throws. */
export async function serve(backend: Backend, request: Request): Promise<Response> {
  const started = backend.clock.now();
  const url = URL.parse(request.url);
  // A Host or target that makes no URL: the client's doing, and no path to look at.
  if (url === null) return json(400, badRequest("the request's target and Host make no URL").toStatus());
  const { pathname, host } = url;
  let response: Response;
  try {
    response = await route(backend, request, pathname, host);
  } catch (e) {
    response = failure(backend, e);
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    backend.log.debug("write", {
      method: request.method,
      path: pathname.slice(0, 512),
      status: response.status,
      ms: Math.round((backend.clock.now() - started) * 10) / 10,
    });
  }
  return response;
}

function failure(backend: Backend, e: unknown): Response {
  if (e instanceof StatusError) {
    const retry = e.details?.retryAfterSeconds;
    return json(e.code, e.toStatus(), [], retry === undefined ? {} : { "retry-after": String(retry) });
  }
  backend.log.error("request failed", { error: e });
  const status = internal("an error on the server has prevented the request from succeeding");
  return json(500, status.toStatus());
}

async function route(backend: Backend, request: Request, path: string, host: string): Promise<Response> {
  const health = /^\/(healthz|livez|readyz)(?:\/ping)?$/.exec(path);
  if (health) {
    const verbose = new URL(request.url).searchParams.has("verbose");
    return new Response(verbose ? `[+]ping ok\n${health[1]} check passed\n` : "ok");
  }
  if (path === "/version" || path === "/version/") return json(200, versionInfo);
  const user = await backend.authenticator.authenticate(request);
  const trimmed = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  if (trimmed === backupPath) {
    if (request.method !== "GET") throw methodNotAllowed();
    if (!isAdministrator(user)) throw forbidden("a backup holds all secrets: it is for administrators");
    return backend.backup();
  }
  const resource = parsePath(backend.registry.catalog, trimmed);
  if (resource) {
    const answer = await serveResource(backend, request, resource, user);
    return answer instanceof Response ? answer : send(answer, request.headers.get("accept"));
  }
  if (request.method === "POST") {
    const body = async () => decodeBody(await readBytes(request), mediaType(request)).value;
    const review = await answerReview(backend.authenticator, user, trimmed, body);
    if (review !== undefined) return json(201, review);
  }
  if (!served(backend.registry.catalog, trimmed))
    return new Response(notServed, { status: 404, headers: plainText });
  if (request.method !== "GET") throw trimmed.startsWith("/api") ? noSuchPath() : methodNotAllowed();
  const accept = request.headers.get("accept");
  return described(backend.registry.catalog, trimmed, host, accept);
}

/** What Kubernetes answers for a group and version that nobody serves. */
const notServed = "404 page not found\n";
const plainText = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };

/** False: a path within a group and version that are not there. */
function served(catalog: Catalog, path: string): boolean {
  const [root, group, version] = path.split("/").slice(1);
  if (root !== "apis" || group === undefined || version === undefined) return true;
  return versionsOf(catalog, group).includes(version);
}

/** Discovery and OpenAPI. */
async function described(
  catalog: Catalog,
  path: string,
  host: string,
  accept: string | null,
): Promise<Response> {
  const parts = path.split("/").slice(1);
  const version = aggregatedVersion(accept);
  let body: unknown;
  if (version !== undefined && (path === "/api" || path === "/apis")) {
    const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    return json(200, aggregated(catalog, path === "/api", version), [], {
      "content-type": type,
      vary: "Accept",
    });
  }
  if (path === "/") body = { paths: rootPaths(catalog) };
  else if (path === "/api") body = apiVersions(host);
  else if (path === "/apis") body = apiGroupList(catalog);
  else if (parts[0] === "api" && parts.length === 2) body = apiResources(catalog, "", parts[1]!);
  else if (parts[0] === "apis" && parts.length === 2) body = apiGroup(catalog, parts[1]!);
  else if (parts[0] === "apis" && parts.length === 3) body = apiResources(catalog, parts[1]!, parts[2]!);
  else if (path === "/openapi/v2") body = await openApiV2(catalog, accept);
  else if (path === "/openapi/v3") body = await openApiIndex(catalog, versionInfo.gitVersion);
  else if (path.startsWith("/openapi/v3/")) {
    body = await openApiDocument(catalog, path.slice("/openapi/v3/".length));
  }
  if (body === undefined) throw noSuchPath();
  if (body instanceof Uint8Array)
    return new Response(body as Uint8Array<ArrayBuffer>, { headers: { "content-type": V2_CONTENT_TYPE } });
  return json(200, body);
}

function rootPaths(catalog: Catalog): string[] {
  const groups = [...new Set(catalog.kinds.map((k) => k.group))].filter(Boolean);
  const all = groups.flatMap((g) => [`/apis/${g}`, ...versionsOf(catalog, g).map((v) => `/apis/${g}/${v}`)]);
  return [
    "/api",
    "/api/v1",
    "/apis",
    ...all,
    "/healthz",
    "/livez",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
  ].sort();
}

/** JSON, or YAML for those who ask for that first (`curl`, `kubectl get --raw` with a header). */
function send(answer: Answer, accept: string | null): Response {
  if (!accept?.trimStart().startsWith("application/yaml"))
    return json(answer.status, answer.body, answer.warnings);
  const response = json(answer.status, {}, answer.warnings, { "content-type": "application/yaml" });
  return new Response(stringify(answer.body), { status: answer.status, headers: response.headers });
}

/** Warnings as RFC 7234 has them: code 299, the text quoted. */
function json(
  status: number,
  body: unknown,
  warnings: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
): Response {
  const headers = new Headers({
    "content-type": "application/json",
    "cache-control": "no-cache, private",
    ...more,
  });
  for (const warning of new Set(warnings)) headers.append("warning", `299 - ${quoted(warning)}`);
  return new Response(JSON.stringify(body), { status, headers });
}

/** A quoted-string of bounded length; what a header cannot carry becomes a question mark. */
const quoted = (text: string): string =>
  `"${text
    .slice(0, 1024)
    .replace(/[^\x20-\x7e]/g, "?")
    .replace(/["\\]/g, "\\$&")}"`;
