/** The shape of objects while the server works on them. */

export interface Meta {
  name: string;
  namespace?: string;
  generateName?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  deletionGracePeriodSeconds?: number;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  managedFields?: Record<string, unknown>[];
  [field: string]: unknown;
}

/** A mutable object; a document that was read from the store belongs to its reader. */
export interface Doc {
  apiVersion: string;
  kind: string;
  metadata: Meta;
  [field: string]: unknown;
}
