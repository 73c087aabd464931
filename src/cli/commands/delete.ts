import { loadManifests } from "../../app/manifests/index.ts";
import { exitStatus, formatFinding, Problem } from "../../app/problem/index.ts";
import { isKubeError, type KindRef } from "../../kube/client/index.ts";
import { openSession } from "../client.ts";
import type { CliContext } from "../context.ts";
import type { ClientFlags } from "../flags.ts";
import { createKindIndex } from "../kind-index.ts";
import { formatOf } from "../output.ts";
import { parseTargets, resourceNames } from "../targets.ts";
import { unknownKind } from "./get.ts";

export interface DeleteFlags extends ClientFlags {
  readonly filename?: readonly string[];
  readonly output?: string;
  readonly ignoreNotFound?: boolean;
}

interface Doomed {
  readonly ref: KindRef;
  readonly name: string;
  readonly namespace: string | undefined;
}

/** `weft delete KIND NAME...` or `-f FILE`. Without a name nothing is deleted. */
export async function deleteObjects(this: CliContext, flags: DeleteFlags, ...words: string[]): Promise<void> {
  const format = formatOf(flags.output, ["name"]);
  const { client, namespace } = openSession(this, flags);
  const kinds = createKindIndex(client);
  await kinds.load();
  const doomed: Doomed[] = [];
  for (const target of parseTargets(words)) {
    const ref = kinds.find(target.kind) ?? unknownKind(kinds, target.kind);
    for (const name of target.names)
      doomed.push({ ref, name, namespace: ref.namespaced ? namespace : undefined });
  }
  if (flags.filename?.length) {
    const { objects, findings } = await loadManifests(flags.filename, this);
    for (const finding of findings) this.process.stderr.write(formatFinding(finding, this.talk));
    if (findings.some((f) => f.severity === "error")) this.exit.status = exitStatus.data;
    for (const { object } of objects) {
      const ref = kinds.byKind(object.apiVersion, object.kind) ?? unknownKind(kinds, object.kind);
      const own = object.metadata.namespace ?? namespace;
      doomed.push({ ref, name: object.metadata.name, namespace: ref.namespaced ? own : undefined });
    }
  }
  if (doomed.length === 0)
    throw new Problem("nothing to delete", {
      mend: "name objects: KIND NAME, or -f FILE",
      exit: exitStatus.usage,
    });
  for (const { ref, name, namespace: where } of doomed) {
    const shown = resourceNames(ref, { metadata: { name } });
    try {
      await client.delete(ref, { name, namespace: where });
      this.process.stdout.write(format === "name" ? `${shown}\n` : `${shown} deleted\n`);
    } catch (error) {
      if (!isKubeError(error, 404)) throw error;
      if (flags.ignoreNotFound) continue;
      this.process.stderr.write(formatFinding({ severity: "error", what: `${shown}: not found` }, this.talk));
      this.exit.status = exitStatus.failed;
    }
  }
}
