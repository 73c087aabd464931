/** What is wrong with an object, before and after it is applied. */
export { type Analysis, analyze, type Cause } from "./analyze.ts";
export { type Described, describe } from "./describe.ts";
export { policyEffects, ruleEffects } from "./effects.ts";
