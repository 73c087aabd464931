/** The application's environment: its port, and the proxy for whatever runtime it is written in. */

export interface EnvironmentOptions {
  readonly base: Readonly<Record<string, string | undefined>>;
  readonly appPort: number;
  /** Address and port of the outbound proxy. */
  readonly proxyHost: string;
  readonly proxyPort: number;
  /** Shown in Proxy-Authorization, so that no other local process borrows the identity. */
  readonly credential: { readonly user: string; readonly password: string };
}

/** Only names that are certain to be local: a cluster suffix here would silently go around the mesh. */
const noProxy = "localhost,127.0.0.1,::1";

/** Not passed on: other proxies. */
const ours = /^(?:all|https?|grpc|no|ftp)_proxy$/i;

/** Both cases of the proxy variables and the switches of the runtimes that need one; PORT. */
export function applicationEnvironment(options: EnvironmentOptions): Record<string, string> {
  const { proxyHost: host, proxyPort: port, credential } = options;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.base))
    if (value !== undefined && !ours.test(name)) env[name] = value;
  const url = `http://${credential.user}:${credential.password}@${host}:${port}`;
  for (const name of ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "grpc_proxy"])
    env[name] = url;
  env["no_proxy"] = noProxy;
  env["NO_PROXY"] = noProxy;
  env["NODE_USE_ENV_PROXY"] = "1";
  const java = [
    `-Dhttp.proxyHost=${host}`,
    `-Dhttp.proxyPort=${port}`,
    `-Dhttps.proxyHost=${host}`,
    `-Dhttps.proxyPort=${port}`,
    "-Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1]",
  ].join(" ");
  env["JAVA_TOOL_OPTIONS"] = [options.base["JAVA_TOOL_OPTIONS"], java].filter(Boolean).join(" ");
  env["PORT"] = String(options.appPort);
  return env;
}
