import { exitStatus, Problem } from "../../app/problem/index.ts";
import { type Why, whyOf } from "../../explain/why/index.ts";
import { isKubeError, type KubeClient, type KubeObject, refs } from "../../kube/client/index.ts";
import { meshKinds } from "../../mesh/control/index.ts";
import type { KubeObject as TranslatedObject } from "../../mesh/translate/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { near } from "../kind-index.ts";
import { encodeData, formatOf } from "../output.ts";
import { whyText } from "../why-text.ts";

export interface WhyFlags extends ClientFlags {
  readonly method?: string;
  readonly path?: string;
  readonly header?: readonly string[];
  readonly output?: string;
  readonly defaultMtls?: "strict" | "permissive";
}

/** `weft why SRC DST`. */
export async function why(
  this: CliContext,
  flags: WhyFlags,
  source: string,
  destination: string,
): Promise<void> {
  const format = formatOf(flags.output, ["json", "yaml"]);
  const { client, namespace } = openSession(this, flags);
  const headers = (flags.header ?? []).flatMap(headerPair);
  const url = /^(?:https?:\/\/)?([^/]+)(\/.*)?$/.exec(destination);
  const request = {
    source,
    destination: url?.[1] ?? destination,
    namespace,
    method: (flags.method ?? "GET").toUpperCase(),
    path: flags.path ?? url?.[2] ?? "/",
    headers,
  };
  const plane = await planeSettings(client);
  const defaultMtls = flags.defaultMtls ?? plane ?? "permissive";
  const result = whyOf(await fetchObjects(client), request, { defaultMtls });
  if (!result.ok) {
    const words = near(source.split(".")[0]!, result.near);
    const mend =
      words.length > 0 ? `did you mean ${words.join(" or ")}?` : `there are: ${result.near.join(", ")}`;
    throw new Problem(result.reason, { mend, exit: exitStatus.data });
  }
  const text =
    format === undefined
      ? whyText(result.why, request, this.style)
      : await encodeData(answer(result.why), format);
  this.process.stdout.write(text);
}

function answer(why: Why): unknown {
  const { key, address, serviceAccount } = why.source;
  return {
    apiVersion: "weft.dev/v1",
    kind: "Explanation",
    source: { workload: key, address, serviceAccount },
    ...why.explanation,
    receptions: why.receptions,
    effects: why.effects,
    notes: why.notes,
  };
}

function headerPair(header: string): readonly [string, string] {
  const colon = header.indexOf(":");
  if (colon <= 0) throw new Problem(`--header ${header} is not \`name: value\``, { exit: exitStatus.usage });
  return [header.slice(0, colon).trim().toLowerCase(), header.slice(colon + 1).trim()];
}

/** What the control plane that runs takes for the default. */
async function planeSettings(client: KubeClient): Promise<"strict" | "permissive" | undefined> {
  type Map = KubeObject & { readonly data?: Readonly<Record<string, string>> };
  const map = await client
    .get<Map>(refs.configMap, "weft-control-plane", "weft-system")
    .catch((error: unknown) => {
      if (isKubeError(error, 404)) return undefined;
      throw error;
    });
  const mode = map?.data?.["defaultMtls"];
  return mode === "strict" || mode === "permissive" ? mode : undefined;
}

/** Everything that translation reads; kinds that the server does not have are none. */
async function fetchObjects(client: KubeClient): Promise<readonly TranslatedObject[]> {
  const absent = (error: unknown): { items: readonly KubeObject[] } => {
    if (isKubeError(error, 404)) return { items: [] };
    throw error;
  };
  const lists = await Promise.all(
    meshKinds.map(({ ref, fieldSelector }) =>
      client.listAll<KubeObject>(ref, fieldSelector === undefined ? {} : { fieldSelector }).catch(absent),
    ),
  );
  return lists.flatMap((l) => l.items);
}
