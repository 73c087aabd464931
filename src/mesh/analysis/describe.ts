/** What became of each applied object, for people: `weft dev -f` prints it. */
import type { ObjectRef } from "../model/index.ts";
import { refName } from "../model/index.ts";
import {
  type KubeObject,
  type KubeSnapshot,
  namespaceOf,
  type ObjectStatus,
  refOf,
  type StatusMessage,
  type TranslateOptions,
  translate,
} from "../translate/index.ts";
import { sentencesFor } from "./sentences.ts";

/** One object: what of it acts, what acts otherwise than written, what is ignored. */
export interface Described {
  readonly ref: ObjectRef;
  /** File it came from, where given. */
  readonly file?: string;
  /** Sentences. */
  readonly acts: readonly string[];
  /** What it waits for, each said once; not among the errors. */
  readonly waits: readonly string[];
  readonly differs: readonly StatusMessage[];
  readonly ignored: readonly StatusMessage[];
  readonly errors: readonly StatusMessage[];
  readonly notes: readonly StatusMessage[];
}

/** `files`: `Kind/namespace/name` -> file; with it only those objects are told of. */
export function describe(
  snapshot: KubeSnapshot,
  files?: ReadonlyMap<string, string>,
  options: TranslateOptions = {},
): readonly Described[] {
  const { mesh, statuses } = translate(snapshot, options);
  return statuses
    .filter((s) => files === undefined || files.has(refName(s.ref)))
    .map((status) => {
      const file = files?.get(refName(status.ref));
      const waits = new Set<string>();
      const errors = status.messages.filter((m) => {
        const what = m.severity === "error" ? waitsFor(m) : undefined;
        if (what !== undefined) waits.add(what);
        return m.severity === "error" && what === undefined;
      });
      const of = (severity: StatusMessage["severity"]): readonly StatusMessage[] =>
        status.messages.filter((m) => m.severity === severity);
      return {
        ref: status.ref,
        ...(file !== undefined && { file }),
        acts: [
          ...intent(snapshot, status, mesh.config.rootNamespace),
          ...sentencesFor(mesh, refName(status.ref)),
        ],
        waits: [...waits],
        differs: of("warning"),
        ignored: of("ignored"),
        errors,
        // The same was said as waiting.
        notes: of("note").filter((m) => !(m.code === "host-outside" && waits.has(`service ${serviceIn(m)}`))),
      };
    });
}

function serviceIn({ message }: Pick<StatusMessage, "message">): string | undefined {
  return /there is no service ([^\s:]+)/.exec(message)?.[1];
}

/** A thing that may yet come; undefined: an error that stays one until somebody mends it. */
function waitsFor({ code, message }: StatusMessage): string | undefined {
  const service = serviceIn({ message });
  if (code === "unknown-host" && service !== undefined) return `service ${service}`;
  const subset = /subset (\S+) of ([^\s:]+)/.exec(message);
  return code === "empty-subset" && subset ? `endpoints of subset ${subset[1]} of ${subset[2]}` : undefined;
}

const plaintext = {
  STRICT: "is refused",
  PERMISSIVE: "is accepted beside mutual TLS",
  DISABLE: "is the only thing accepted",
} as const;

/** What a PeerAuthentication asks, whether or not a workload is there yet. */
function intent(snapshot: KubeSnapshot, status: ObjectStatus, root: string): readonly string[] {
  const accepted = status.conditions.some((c) => c.type === "Accepted" && c.status === "True");
  if (status.ref.kind !== "PeerAuthentication" || !accepted) return [];
  const object = (snapshot.byKind.get("PeerAuthentication") ?? []).find(
    (o) => refName(refOf(o)) === refName(status.ref),
  );
  return object === undefined ? [] : modeWords(object, root);
}

function modeWords(object: KubeObject, root: string): readonly string[] {
  const spec = ((object as { readonly spec?: unknown }).spec ?? {}) as {
    readonly mtls?: { readonly mode?: string };
    readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
    readonly portLevelMtls?: Readonly<Record<string, { readonly mode?: string }>>;
  };
  const chosen = Object.entries(spec.selector?.matchLabels ?? {}).map(([k, v]) => `${k}: ${v}`);
  const labels = chosen.length === 0 ? "" : ` labelled ${chosen.join(", ")}`;
  // Without a selector the root namespace's holds for the whole mesh.
  const everywhere = chosen.length === 0 && namespaceOf(object) === root;
  const whom = `workloads of ${everywhere ? "every namespace" : `namespace ${namespaceOf(object)}`}${labels}`;
  const say = (mode: string | undefined, port: string): string[] =>
    mode !== undefined && Object.hasOwn(plaintext, mode)
      ? [`plaintext to ${port}${whom} ${plaintext[mode as keyof typeof plaintext]}: ${mode}`]
      : [];
  return [
    ...say(spec.mtls?.mode, ""),
    ...Object.entries(spec.portLevelMtls ?? {}).flatMap(([port, m]) => say(m.mode, `port ${port} of `)),
  ];
}
