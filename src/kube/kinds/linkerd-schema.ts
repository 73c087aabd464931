/** linkerd.io/v1alpha2 ServiceProfile, with the seed's fields (nested routes, requestTimeout, weight). */
import { array, boolean, integer, number, object, type Schema, string } from "./schema.ts";

const duration: Schema = { type: "string", format: "duration" };

/** Conditions nest (`all`, `any`, `not`); as deep as this they are checked, deeper ones are refused. */
const CONDITION_DEPTH = 8;

function nested(leaf: Readonly<Record<string, Schema>>, depth: number): Schema {
  if (depth === 0) return object(leaf);
  const inner: Schema = { ...nested(leaf, depth - 1), recursive: true };
  return object({ ...leaf, all: array(inner), any: array(inner), not: inner });
}

const requestMatch = nested(
  {
    method: string("HTTP method."),
    pathRegex: string("Regular expression, anchored at both ends; the query is not part of it."),
  },
  CONDITION_DEPTH,
);
const responseMatch = nested(
  { status: object({ min: integer(100, 599), max: integer(100, 599) }) },
  CONDITION_DEPTH,
);

const responseClasses = array(
  object({
    condition: responseMatch,
    isFailure: boolean("Whether such an answer counts as a failure; 5xx does where nothing is said."),
    weight: { ...number(), description: "Has no meaning here; accepted with a warning." },
  }),
);

/** Linkerd's has none: Weft writes the one that Istio's kinds have. */
export const ruleStatus = object(
  {
    observedGeneration: integer(0),
    conditions: array(
      object({
        type: string("Accepted, ResolvedRefs, HasWarnings, Programmed."),
        status: string("True or False."),
        reason: string(),
        message: string(),
        observedGeneration: integer(0),
        lastTransitionTime: string(),
      }),
    ),
    validationMessages: array(
      object({
        type: object({ name: string(), code: string() }),
        level: string("ERROR, WARNING, INFO."),
        documentationUrl: string(),
      }),
    ),
  },
  [],
  "What became of the profile; written by the control plane.",
);

export const serviceProfileSchema: Schema = object({
  spec: object(
    {
      routes: array(
        object(
          {
            name: string("Name of the route, as metrics show it."),
            condition: requestMatch,
            isRetryable: boolean(
              "Failed requests of this route may be tried again, within the retry budget.",
            ),
            timeout: {
              ...duration,
              description: "Limit of one try (of the whole request without requestTimeout).",
            },
            requestTimeout: { ...duration, description: "Limit of the whole request with all its tries." },
            responseClasses,
            routes: array(
              object({ name: string(), condition: requestMatch, responseClasses, weight: number() }),
            ),
          },
          ["name"],
        ),
      ),
      retryBudget: object(
        { retryRatio: number(0), minRetriesPerSecond: integer(0), ttl: duration },
        [],
        "Retries allowed beyond the requests sent: default ratio 0.2, 10 a second, 10 s.",
      ),
      dstOverrides: array(
        object({ authority: string(), weight: { intOrString: true } }, ["authority", "weight"]),
      ),
      opaquePorts: array(string()),
    },
    [],
    "Routes of a service, with what is a failure, what may be retried and how long it may take.",
  ),
  status: ruleStatus,
});
