/** Answers that the proxy gives itself. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type DirectResponseActionSchema,
  RedirectAction_RedirectResponseCode,
  type RedirectActionSchema,
} from "../../proto/gen/envoy/config/route/v3/route_components_pb.js";
import type { RouteAction } from "../model/index.ts";

export function responseAction({
  status,
  body,
  base64,
}: Extract<RouteAction, { kind: "respond" }>): MessageInitShape<typeof DirectResponseActionSchema> {
  if (base64 !== undefined)
    return {
      status,
      body: { specifier: { case: "inlineBytes", value: new Uint8Array(Buffer.from(base64, "base64")) } },
    };
  return { status, ...(body !== "" && { body: { specifier: { case: "inlineString", value: body } } }) };
}

const redirectCodes: Readonly<Record<number, RedirectAction_RedirectResponseCode>> = {
  301: RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY,
  302: RedirectAction_RedirectResponseCode.FOUND,
  303: RedirectAction_RedirectResponseCode.SEE_OTHER,
  307: RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT,
  308: RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT,
};

export function redirectAction(
  action: Extract<RouteAction, { kind: "redirect" }>,
  called: number,
): MessageInitShape<typeof RedirectActionSchema> {
  return {
    responseCode: redirectCodes[action.code]!,
    ...(action.host && { hostRedirect: action.host }),
    ...(action.path && { pathRewriteSpecifier: { case: "pathRedirect", value: action.path } }),
    ...(action.scheme && { schemeRewriteSpecifier: { case: "schemeRedirect", value: action.scheme } }),
    ...(action.port !== undefined && { portRedirect: action.port === "request" ? called : action.port }),
  };
}
