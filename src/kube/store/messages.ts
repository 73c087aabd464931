/** What the store's thread and its owner say to each other. */
import type { Change, ListOptions, Outcome, Write } from "./types.ts";

export type Request =
  | { readonly id: number; readonly op: "open"; readonly file: string; readonly program: string }
  | { readonly id: number; readonly op: "get"; readonly key: string }
  | { readonly id: number; readonly op: "list"; readonly prefix: string; readonly options: ListOptions }
  | { readonly id: number; readonly op: "write"; readonly writes: readonly Write[] }
  | {
      readonly id: number;
      readonly op: "changes";
      readonly prefix: string;
      readonly after: number;
      readonly limit: number;
    }
  | { readonly id: number; readonly op: "compact"; readonly revision: number }
  | { readonly id: number; readonly op: "backup"; readonly file: string }
  | { readonly id: number; readonly op: "close" };

export type Reply =
  | { readonly type: "result"; readonly id: number; readonly result: unknown }
  | {
      readonly type: "error";
      readonly id: number;
      readonly message: string;
      /** Set for a RevisionError. */
      readonly kind?: "compacted" | "future";
      readonly current?: number;
    }
  /** One group commit: outcomes by request, and all changes in order. */
  | {
      readonly type: "committed";
      readonly outcomes: readonly { readonly id: number; readonly outcome: Outcome }[];
      readonly changes: readonly Change[];
      readonly revision: number;
    };
