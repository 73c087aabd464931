/** From a request to its answer: health, discovery, OpenAPI, token reviews, resources; errors become Status. */
import { authorize } from "./auth.ts";
import { decodeBody, mediaType, readBytes } from "./body.ts";
import { apiGroup, apiGroupList, apiResources, apiVersions, versionInfo } from "./discovery.ts";
import { openApiDocument, openApiIndex } from "./openapi.ts";
import { parsePath } from "./path.ts";
import { type Answer, type Backend, serveResource } from "./resources.ts";
import { badRequest, internal, methodNotAllowed, noSuchPath, StatusError } from "./status.ts";
import { reviewToken } from "./token-api.ts";

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
  if (path === "/healthz" || path === "/livez" || path === "/readyz") return new Response("ok");
  if (path === "/version" || path === "/version/") return json(200, versionInfo);
  const user = await backend.authenticator.authenticate(request);
  const trimmed = path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
  const resource = parsePath(trimmed);
  if (resource) {
    const answer = await serveResource(backend, request, resource, user);
    return answer instanceof Response ? answer : send(answer);
  }
  if (trimmed === "/apis/authentication.k8s.io/v1/tokenreviews") {
    if (request.method !== "POST") throw methodNotAllowed();
    const kind = { group: "authentication.k8s.io", plural: "tokenreviews" };
    authorize(user, { verb: "create", kind, namespace: undefined, name: undefined, subresource: undefined });
    const body = decodeBody(await readBytes(request), mediaType(request));
    return json(201, await reviewToken(backend.authenticator, body.value));
  }
  if (request.method !== "GET") throw trimmed.startsWith("/api") ? noSuchPath() : methodNotAllowed();
  return described(trimmed, host);
}

/** Discovery and OpenAPI. */
async function described(path: string, host: string): Promise<Response> {
  const parts = path.split("/").slice(1);
  let body: unknown;
  if (path === "/api") body = apiVersions(host);
  else if (path === "/apis") body = apiGroupList();
  else if (parts[0] === "api" && parts.length === 2) body = apiResources("", parts[1]!);
  else if (parts[0] === "apis" && parts.length === 2) body = apiGroup(parts[1]!);
  else if (parts[0] === "apis" && parts.length === 3) body = apiResources(parts[1]!, parts[2]!);
  else if (path === "/openapi/v3") body = openApiIndex(versionInfo.gitVersion);
  else if (path.startsWith("/openapi/v3/")) body = await openApiDocument(path.slice("/openapi/v3/".length));
  if (body === undefined) throw noSuchPath();
  return json(200, body);
}

const send = (answer: Answer): Response => json(answer.status, answer.body, answer.warnings);

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
