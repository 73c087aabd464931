/** All of kubectl's rows. */
import { crdRows } from "./crd.ts";
import { readRows } from "./read.ts";
import type { Row } from "./types.ts";
import { writeRows } from "./write.ts";

export const kubectlRows: readonly Row[] = [...readRows, ...writeRows, ...crdRows];
