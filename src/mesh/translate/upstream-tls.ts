/** Istio's ClientTLSSettings. */
import type { UpstreamSecurity } from "../model/index.ts";
import type { Field } from "./field.ts";

const kinds = { DISABLE: "plain", ISTIO_MUTUAL: "mesh", SIMPLE: "simple", MUTUAL: "mutual" } as const;
const files = ["clientCertificate", "privateKey", "caCertificates"] as const;

export function parseTls(field: Field): UpstreamSecurity | undefined {
  if (!field.object().present) return undefined;
  field.rest(["mode", "sni", "subjectAltNames", ...files, "caCrl", "credentialName", "insecureSkipVerify"]);
  const mode = field.at("mode").oneOf(Object.keys(kinds) as (keyof typeof kinds)[]) ?? "DISABLE";
  const sni = field.at("sni").text();
  const subjectAltNames = field.at("subjectAltNames").texts();
  if (sni && !/^[A-Za-z0-9_.-]{1,253}$/.test(sni)) field.at("sni").expected("a host name");
  const origin = field.report.origin(field.path);
  const kind = kinds[mode];
  if (kind === "plain") return { kind, subjectAltNames: [], origin };
  if (kind === "mesh") {
    for (const key of [...files, "credentialName", "insecureSkipVerify"])
      if (field.at(key).present && field.at(key).value !== "" && field.at(key).value !== false)
        field.at(key).error({ code: "one-of", message: `${key} and ISTIO_MUTUAL exclude each other` });
    return { kind, subjectAltNames, ...(sni && { sni }), origin };
  }
  field.at("mode").pending("tls-origination");
  return { kind, subjectAltNames, ...(sni && { sni }), ...proofs(field, kind), origin };
}

function proofs(
  field: Field,
  kind: "simple" | "mutual",
): Pick<UpstreamSecurity, "certificate" | "roots" | "revoked" | "unverified"> {
  const [chain, key, roots, revoked] = [...files, "caCrl"].map((k) => field.at(k).text());
  if (field.at("credentialName").text())
    field
      .at("credentialName")
      .ignored("secrets of the API server are not handed to sidecars: name files on their machine");
  if (kind === "mutual" && !field.at("credentialName").text())
    for (const [name, text] of [
      ["clientCertificate", chain],
      ["privateKey", key],
    ] as const)
      if (!text) field.at(name).error({ code: "required", message: "is required with MUTUAL" });
  const unverified = field.at("insecureSkipVerify").bool();
  if (unverified === true)
    field.at("insecureSkipVerify").warn({
      code: "unverified",
      message: "the server's certificate is not verified: whoever answers is believed",
    });
  if (unverified === true && (roots || field.at("subjectAltNames").present))
    field.at("insecureSkipVerify").error({
      code: "one-of",
      message: "insecureSkipVerify excludes caCertificates and subjectAltNames",
    });
  return {
    ...(kind === "mutual" && chain && key && { certificate: { chain, key } }),
    ...(roots && { roots }),
    ...(revoked && { revoked }),
    ...(unverified === true && { unverified }),
  };
}
