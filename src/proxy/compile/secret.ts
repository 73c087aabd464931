/** A Secret of a discovery response. */
import { fromBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import {
  type Secret,
  SecretSchema,
} from "../../proto/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { checkFields } from "./check.ts";
import { describeProblems, Findings, Path } from "./path.ts";
import { type SecretSource, secretResource } from "./tls.ts";

/** Where its texts are; a string says what is wrong with it. */
export function secretOfAny(any: Any): SecretSource | string {
  let message: Secret;
  try {
    message = fromBinary(SecretSchema, any.value);
  } catch (e) {
    return `does not decode as ${SecretSchema.typeName}: ${e instanceof Error ? e.message : String(e)}`;
  }
  const findings = new Findings();
  const path = Path.root("secret");
  checkFields(SecretSchema, message, path, findings);
  const source = secretResource(message, path, findings);
  return findings.errors.length > 0 ? describeProblems(findings.errors) : source;
}
