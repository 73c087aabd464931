/** The matching that requests meet, for those who explain it: no second opinion about what matches. */
export { compileHeader, compileQuery, type RequestView } from "../match.ts";
export { type CompiledRoute, type CompiledVirtualHost, findRoute, RouteTable } from "../route-table.ts";
