/** What the compiler asks about access log formats, apart from the data thread's code. */
export { unknownOperators } from "../access-log-format.ts";
