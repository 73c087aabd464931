import { ejected, oneStays, returned } from "./ejection.ts";
import { overflow } from "./overflow.ts";
import { flaky, post, slow } from "./retries.ts";
import { jason, others, strict } from "./routing.ts";
import type { Step } from "./step.ts";

export type { ManifestName, Stage, Step, StepReport, StepResult } from "./step.ts";

/** In order of telling. The ejection runs its 30 s while other steps run. */
export const steps: readonly Step[] = [
  others,
  jason,
  ejected,
  oneStays,
  strict,
  flaky,
  slow,
  post,
  overflow,
  returned,
];
