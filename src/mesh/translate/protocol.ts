/** What a service's port speaks: appProtocol, else the port's name, as Istio reads them. */
import type { Protocol } from "../model/index.ts";
import type { Field } from "./field.ts";

const words: Readonly<Record<string, Protocol>> = {
  http: "http",
  http2: "http2",
  h2c: "http2",
  grpc: "grpc",
  "grpc-web": "http",
  ws: "http",
  wss: "tls",
  https: "https",
  tls: "tls",
  tcp: "tcp",
  mongo: "tcp",
  redis: "tcp",
  mysql: "tcp",
  udp: "udp",
};
/** SMTP, DNS, MySQL, MongoDB: the server speaks first or the traffic is never HTTP (Istio's list). */
const neverHttp = [25, 53, 3306, 27017];

/** Without a word for it: HTTP, which is what a forward proxy is asked for, except on well-known other ports. */
export function protocolOf(
  name: string,
  appProtocol: string | undefined,
  port: number,
  field: Field,
): Protocol {
  const app = appProtocol?.toLowerCase().replace(/^kubernetes\.io\//, "");
  if (app === "ws")
    field.at("appProtocol").ignored("WebSocket upgrades are not in effect yet: the port serves plain HTTP");
  if (app !== undefined && Object.hasOwn(words, app)) return words[app]!;
  const lower = name.toLowerCase();
  const word = lower.startsWith("grpc-web") ? "grpc-web" : (lower.split("-")[0] ?? "");
  const known = Object.hasOwn(words, word) ? words[word] : undefined;
  if (known !== undefined) return known;
  if (neverHttp.includes(port)) return "tcp";
  field.note({
    code: "protocol-unnamed",
    message: `port ${port} does not say its protocol: HTTP is taken`,
    fix: "name the port http, http-..., tcp or tcp-..., or set appProtocol",
  });
  return "http";
}
