/** Kinds of Weft's own group. */
import { ruleStatus } from "./linkerd-schema.ts";
import { array, boolean, integer, object, type Schema, string } from "./schema.ts";

const stringMatch = object({
  exact: string("The whole value."),
  prefix: string("What the value begins with."),
  regex: string("RE2 syntax, matched against the whole value."),
});
const matches: Schema = { ...object({}), additionalProperties: stringMatch };

/** How many requests a service takes. */
export const rateLimitSchema: Schema = object({
  spec: object({
    host: string("The service that is limited, in the namespace of the object."),
    limits: array(
      object({
        name: string("Shown in logs as the route's name."),
        requests: integer(1),
        per: string("The time that the requests are for: 1s, 1m."),
        burst: integer(1),
        match: array(
          object({
            uri: stringMatch,
            ignoreUriCase: boolean("Whether capitals count in the path."),
            scheme: stringMatch,
            method: stringMatch,
            authority: stringMatch,
            headers: matches,
            withoutHeaders: matches,
            queryParams: matches,
          }),
        ),
      }),
    ),
  }),
  status: ruleStatus,
});
