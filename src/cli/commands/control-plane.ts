import { startControlPlane } from "../../app/control-plane/index.ts";
import { setUpLogging } from "../../app/logging/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import { stopSignal } from "../signals.ts";

/** Flags of everything that runs a control plane. */
export interface PlaneFlags {
  readonly xdsPort?: number;
  readonly plainXdsPort?: number;
  readonly debugPort?: number;
  readonly defaultMtls?: "strict" | "permissive";
  /** Milliseconds. */
  readonly certificateTtl?: number;
  readonly logLevel?: string;
  readonly logFormat?: "json" | "text";
}

export interface ControlPlaneFlags extends PlaneFlags {
  readonly kubeconfig?: string;
  readonly host?: string;
}

/** `weft control-plane`: against any API server; PERMISSIVE unless told otherwise. */
export async function controlPlane(this: CliContext, flags: ControlPlaneFlags): Promise<void> {
  const log = setUpLogging(flags).child("control-plane");
  const { client } = openSession(this, flags);
  const stop = stopSignal();
  const plane = await startControlPlane({
    client,
    host: flags.host ?? "127.0.0.1",
    ports: { xds: flags.xdsPort ?? 15_012, plainXds: flags.plainXdsPort, debug: flags.debugPort ?? 15_014 },
    translate: { defaultMtls: flags.defaultMtls ?? "permissive" },
    ...(flags.certificateTtl === undefined ? {} : { certificateTtlMs: flags.certificateTtl }),
    version: this.version,
    clock: this.clock,
    rng: this.rng,
    log,
  });
  log.info("ready", { xds: plane.xdsAddress, debug: plane.debugAddress, apiServer: client.config.server });
  await stop.first;
  await plane.stop();
  stop.end();
}
