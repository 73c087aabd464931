/** Reading JSON of protobuf messages: Envoy writes field names with underscores, istioctl in camel case. */

export type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const camel = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** The value at a path of field names in their protobuf spelling; undefined where something on the way is missing. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const name of path) {
    if (!isObject(here)) return undefined;
    here = here[name] ?? here[camel(name)];
  }
  return here;
}

export function objectAt(value: unknown, ...path: readonly string[]): Json | undefined {
  const found = at(value, ...path);
  return isObject(found) ? found : undefined;
}

/** Objects of a repeated field; none where it is missing. */
export function listAt(value: unknown, ...path: readonly string[]): readonly Json[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.filter(isObject) : [];
}

/** Strings of a repeated field. */
export function textsAt(value: unknown, ...path: readonly string[]): readonly string[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.filter((v): v is string => typeof v === "string") : [];
}

/** "" where it is missing; numbers as text. */
export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === "string" ? found : typeof found === "number" ? String(found) : "";
}

/** `host:port` of an Address; "" for what is none. */
export function addressAt(
  value: unknown,
  ...path: readonly string[]
): { host: string; port: string } | undefined {
  const address = objectAt(value, ...path);
  const socket = objectAt(address, "socket_address");
  if (socket)
    return {
      host: textAt(socket, "address"),
      port: textAt(socket, "port_value") || textAt(socket, "named_port"),
    };
  const pipe = textAt(address, "pipe", "path");
  if (pipe !== "") return { host: pipe, port: "" };
  const internal = objectAt(address, "envoy_internal_address");
  return internal && { host: `internal ${textAt(internal, "server_listener_name")}`, port: "" };
}

export function hostPort(address: { readonly host: string; readonly port: string } | undefined): string {
  if (address === undefined) return "-";
  const { host, port } = address;
  return port === "" ? host : `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
