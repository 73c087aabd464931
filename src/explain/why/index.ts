export { type Reception, type Why, type WhyRequest, type WhyResult, whyOf } from "./why.ts";
