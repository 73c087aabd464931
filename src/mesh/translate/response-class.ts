/** Which answers a profile counts as failures, so that they are retried. */
import type { RetryReason } from "../model/index.ts";
import type { Field } from "./field.ts";
import { tooDeep } from "./profile-condition.ts";

export interface Failures {
  readonly on: readonly RetryReason[];
  readonly statusCodes: readonly number[];
}

/** No answer at all, and the answers that were never processed. */
const transport: readonly RetryReason[] = ["connect-failure", "refused-stream", "reset"];

/** The first class whose condition holds decides; without one 5xx is a failure. */
export function parseFailures(lists: readonly Field[]): Failures {
  const classes = lists.flatMap((list) => list.items()).map(parseClass);
  const codes: number[] = [];
  for (let code = 100; code <= 599; code++) {
    const decided = classes.find((c) => c.holds(code));
    if (decided?.failure ?? code >= 500) codes.push(code);
  }
  const default5xx = codes.length === 100 && codes[0] === 500;
  if (default5xx) return { on: ["5xx", ...transport], statusCodes: [] };
  return {
    on: [...transport, ...(codes.length > 0 ? (["retriable-status-codes"] as const) : [])],
    statusCodes: codes,
  };
}

interface ResponseClass {
  readonly holds: (code: number) => boolean;
  readonly failure: boolean | undefined;
}

function parseClass(field: Field): ResponseClass {
  field.object().rest(["condition", "isFailure", "weight"]);
  if (field.at("weight").present)
    field.at("weight").warn({
      code: "meaningless",
      message: "a response class has no weight: it has no effect",
      fix: "remove it",
    });
  const failure = field.at("isFailure").bool();
  if (failure === undefined)
    field.warn({
      code: "is-failure-missing",
      message:
        "isFailure is not given: 5xx answers count as failures (Linkerd would count them as successes)",
      fix: "add isFailure: true",
    });
  return { holds: parseCondition(field.at("condition")), failure };
}

function parseCondition(field: Field, depth = 1): (code: number) => boolean {
  if (tooDeep(field, depth)) return () => false;
  field.object().rest(["status", "all", "any", "not"]);
  const tests: ((code: number) => boolean)[] = [];
  const status = field.at("status");
  if (status.present) {
    status.object().rest(["min", "max"]);
    const min = status.at("min").integer(100, 599) ?? 100;
    const max = status.at("max").integer(100, 599) ?? 599;
    if (min > max) status.error({ code: "invalid-value", message: `min ${min} is above max ${max}` });
    tests.push((code) => code >= min && code <= max);
  }
  const all = field
    .at("all")
    .items()
    .map((f) => parseCondition(f, depth + 1));
  const any = field
    .at("any")
    .items()
    .map((f) => parseCondition(f, depth + 1));
  if (all.length > 0) tests.push((code) => all.every((t) => t(code)));
  if (any.length > 0) tests.push((code) => any.some((t) => t(code)));
  if (field.at("not").present) {
    const not = parseCondition(field.at("not"), depth + 1);
    tests.push((code) => !not(code));
  }
  return (code) => tests.every((t) => t(code));
}
