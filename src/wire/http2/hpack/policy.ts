/**
 * What the encoder does with a field by its name. Values that do not come again would only push useful ones out of
 * the table; secrets must not be in it, for a table shared by many clients lets one guess another's (RFC 7541
 * section 7.1).
 */
export const usual = 0;
/** Into the table only when the same value was sent lately. */
export const volatileValue = 1;
/** Never into the table, since each message has its own. */
export const uniqueValue = 2;
/** Never into any table on the way (RFC 7541 section 6.2.3). */
export const secretValue = 3;
/** A secret when short enough to be guessed. */
export const cookieValue = 4;

/** A cookie shorter than this is a secret; nghttp2 has the same bound. */
export const shortCookieLength = 20;

const policies = new Map<string, number>();
const put = (policy: number, names: readonly string[]): void => {
  for (const name of names) policies.set(name, policy);
};
put(volatileValue, [
  ...[":path", "content-length", "date", "etag", "grpc-timeout", "if-modified-since", "if-none-match"],
  ...["last-modified", "location", "x-envoy-upstream-service-time", "x-forwarded-for", "referer"],
]);
put(uniqueValue, [
  ...["age", "b3", "content-range", "range", "traceparent", "x-b3-parentspanid", "x-b3-spanid"],
  ...["x-b3-traceid", "x-request-id", "grpc-trace-bin"],
]);
put(secretValue, ["authorization", "proxy-authorization", "set-cookie"]);
put(cookieValue, ["cookie"]);

export function policyOf(name: string): number {
  return policies.get(name) ?? usual;
}
