/** A machine without a kubeconfig joins the mesh by one line of text. */
export { createTicket, type TicketRequest } from "./create.ts";
export { joinedConfig, type TokenKeeper } from "./keeper.ts";
export { decodeTicket, encodeTicket, rootDigest, type Ticket } from "./ticket.ts";
