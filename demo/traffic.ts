/** Requests by the visitor's application through its sidecar, and the operator's hand on the others. */
import { connect } from "node:net";
import type { Visit, Visited } from "./apps/index.ts";
import type { Stack } from "./stack.ts";

export interface ControlState {
  readonly seen: number;
  /** Requests with `?mark`. */
  readonly marked: number;
  readonly parked: number;
}

export interface Traffic {
  /** Asks the visitor to call; the answers in order of their ends. */
  visit(visit: Visit): Promise<readonly Visited[]>;
  /** GET on an application's own port, beside the mesh. */
  direct<T>(id: string, path: string): Promise<T>;
  control(id: string, wish: { fail?: number; hold?: boolean }): Promise<ControlState>;
  state(id: string): Promise<ControlState>;
  /** A plain HTTP request to a published address: what came back before the connection ended. */
  plaintext(
    address: string,
    port: number,
    path: string,
  ): Promise<{ bytes: number; status: number; ended: string }>;
}

export function createTraffic(stack: Stack): Traffic {
  const url = (id: string, path: string): string => `http://127.0.0.1:${stack.instance(id).appPort}${path}`;
  const post = async <T>(id: string, path: string, body: unknown): Promise<T> => {
    const response = await fetch(url(id, path), { method: "POST", body: JSON.stringify(body) });
    return (await response.json()) as T;
  };
  const get = async <T>(id: string, path: string): Promise<T> =>
    (await (await fetch(url(id, path))).json()) as T;
  return {
    visit: (visit) => post("visitor", "/visit", visit),
    direct: get,
    control: (id, wish) => post(id, "/control", wish),
    state: (id) => get(id, "/control"),
    plaintext,
  };
}

function plaintext(
  address: string,
  port: number,
  path: string,
): Promise<{ bytes: number; status: number; ended: string }> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(port, address, () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${address}:${port}\r\nConnection: close\r\n\r\n`);
    });
    const done = (ended: string): void => {
      socket.destroy();
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
      resolve({ bytes: text.length, status, ended });
    };
    socket.setTimeout(5_000, () => done("time-out"));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    socket.on("end", () => done("closed"));
    socket.on("error", (error: Error & { code?: string }) => done(error.code ?? error.message));
  });
}
