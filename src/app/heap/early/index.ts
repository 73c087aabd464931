/** Imported first by the entry, for its effect: nothing shall be loaded twice. */
import { boundHeap } from "../index.ts";

boundHeap(import.meta.url.includes("/$bunfs/") || import.meta.url.includes("/%7EBUN/"));
