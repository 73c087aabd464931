/** Keys of TLS leave no dump: inline ones are replaced; file names stay, they are no secrets. */
import type { JsonValue } from "@bufbuild/protobuf";

const placeholder = "[redacted]";
const secretFields = new Set(["private_key", "password", "session_ticket_keys", "generic_secret"]);

/** Envoy's config_dump does the same to fields marked sensitive. */
export function redact(json: JsonValue, secret = false): JsonValue {
  if (Array.isArray(json)) return json.map((item) => redact(item, secret));
  if (typeof json !== "object" || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]): [string, JsonValue] => {
      if (secret && (key === "inline_string" || key === "inline_bytes")) return [key, placeholder];
      return [key, redact(value, secret || secretFields.has(key))];
    }),
  );
}
