/** Answers that the proxy gives itself: redirects and fixed responses. */
import type { RouteAction } from "../model/index.ts";
import type { Field } from "./field.ts";
import { maxResponseBytes } from "./limits.ts";
import { authorityText, pathText } from "./rewrite.ts";

const redirectCodes = [301, 302, 303, 307, 308];

export function parseRedirect(field: Field): RouteAction {
  field.object().rest(["uri", "authority", "port", "scheme", "redirectCode", "derivePort"]);
  const code = field.at("redirectCode").integer(300, 399) ?? 301;
  if (!redirectCodes.includes(code)) field.at("redirectCode").expected(`one of ${redirectCodes.join(", ")}`);
  const host = field.at("authority").text();
  const path = field.at("uri").text();
  if (host && !authorityText.test(host))
    field.at("authority").expected("a host name, with a port or without");
  if (path && !pathText.test(path)) field.at("uri").expected("a path that begins with /");
  const scheme = field.at("scheme").oneOf(["http", "https"]);
  const given = field.at("port").integer(1, 65535);
  const derive = field.at("derivePort").oneOf(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]);
  if (given !== undefined && derive !== undefined)
    field.error({ code: "one-of", message: "port and derivePort exclude each other" });
  // Envoy leaves the port out where scheme or host change and none is given: the protocol's default.
  const port = derive === "FROM_REQUEST_PORT" ? ("request" as const) : given;
  if (!host && !path && !scheme && port === undefined)
    field.warn({
      code: "redirect-loop",
      message: "names neither host, path, scheme nor port: the caller is sent back to where it was",
    });
  return {
    kind: "redirect",
    code,
    ...(host && { host }),
    ...(path && { path }),
    ...(scheme && { scheme }),
    ...(port !== undefined && { port }),
  };
}

const base64Text = /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$/;

export function parseResponse(field: Field): RouteAction | undefined {
  field.object().rest(["status", "body"]);
  const status = field.at("status").integer(200, 599);
  if (!field.at("status").present) field.at("status").error({ code: "required", message: "is required" });
  const body = field.at("body").object();
  body.rest(["string", "bytes"]);
  if (body.at("string").present && body.at("bytes").present)
    body.error({ code: "one-of", message: "string and bytes exclude each other" });
  const encoded = body.at("bytes").text();
  if (encoded !== undefined && !base64Text.test(encoded)) body.at("bytes").expected("base64");
  const bytes = Buffer.from(
    encoded ?? body.at("string").text() ?? "",
    encoded === undefined ? "utf8" : "base64",
  );
  if (bytes.length > maxResponseBytes)
    body.error({
      code: "body-too-long",
      message: `has ${bytes.length} bytes, at most ${maxResponseBytes} are answered`,
    });
  if (status === undefined) return undefined;
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return { kind: "respond", status, body: text };
  return { kind: "respond", status, body: "", base64: bytes.toString("base64") };
}
