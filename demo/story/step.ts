/** A step of the story: what the manifests promise, what was seen. */
import type { Stack } from "../stack.ts";
import type { Traffic } from "../traffic.ts";

export type ManifestName = "virtual-service" | "destination-rule" | "peer-authentication" | "service-profile";

export interface StepResult {
  readonly observed: Readonly<Record<string, unknown>>;
  readonly ok: boolean;
  /** The sentence of the story. */
  readonly tale: string;
}

export interface Step {
  readonly id: string;
  readonly title: string;
  /** The manifests on which it rests: without one of them it must fail. */
  readonly manifests: readonly ManifestName[];
  readonly expected: Readonly<Record<string, unknown>>;
  run(stage: Stage): Promise<StepResult>;
}

/** What steps act on. */
export interface Stage {
  readonly stack: Stack;
  readonly traffic: Traffic;
}

/** What `--out` holds for each step. */
export interface StepReport {
  readonly id: string;
  readonly title: string;
  readonly manifest: string | null;
  readonly manifests: readonly ManifestName[];
  readonly expected: Readonly<Record<string, unknown>>;
  readonly observed: Readonly<Record<string, unknown>>;
  readonly ok: boolean;
  readonly seconds: number;
}
