/** The hook by which the mesh judges an object before it is stored. */
import type { Cause, KubeObject } from "../kinds/index.ts";

export interface AdmissionRequest {
  readonly operation: "create" | "update" | "delete";
  readonly object: KubeObject;
  readonly oldObject?: KubeObject;
  readonly namespace: string;
  /** Stored objects of a kind (storage version), in all namespaces or in one; read-only. */
  list(kind: string, namespace?: string): Promise<readonly KubeObject[]>;
}

export interface AdmissionResult {
  /** Wrong in itself: refused with 422. */
  readonly causes: readonly Cause[];
  /** Accepted, and said in Warning headers. */
  readonly warnings: readonly string[];
}

export type Admission = (request: AdmissionRequest) => Promise<AdmissionResult>;
