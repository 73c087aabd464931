/** The thin client: one method a verb. */
import type { Clock } from "../../base/index.ts";
import { applyObject } from "./apply.ts";
import { isKubeError, KubeError } from "./error.ts";
import { limits } from "./limits.ts";
import { apiVersionOf, pathOf, queryOf } from "./paths.ts";
import { tokenRequest, tokenReview } from "./tokens.ts";
import { createTransport, type Transport } from "./transport.ts";
import type {
  CallOptions,
  DeleteOptions,
  KindRef,
  KubeClient,
  KubeConfig,
  KubeList,
  KubeObject,
  ListOptions,
  PatchType,
  WriteOptions,
} from "./types.ts";
import { runWatch } from "./watch.ts";

export interface KubeClientOptions {
  readonly clock: Clock;
  /** Warning headers of calls without a hook of their own; default: dropped. */
  readonly onWarning?: (message: string) => void;
}

const patchTypes: Readonly<Record<PatchType, string>> = {
  merge: "application/merge-patch+json",
  json: "application/json-patch+json",
  strategic: "application/strategic-merge-patch+json",
  apply: "application/apply-patch+yaml",
};

function writeQuery(options: WriteOptions & { force?: boolean }): string {
  return queryOf({
    dryRun: options.dryRun === true ? "All" : undefined,
    fieldManager: options.fieldManager ?? "weft",
    fieldValidation: options.fieldValidation,
    force: options.force,
  });
}

interface ListBody<T> {
  readonly items?: readonly T[] | null;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

const call = (o: CallOptions | undefined) => ({ signal: o?.signal, onWarning: o?.onWarning });

function createLister(transport: Transport) {
  async function list<T extends KubeObject>(
    ref: KindRef,
    o: ListOptions & CallOptions & { limit?: number; continue?: string } = {},
  ): Promise<KubeList<T>> {
    const query = queryOf({
      labelSelector: o.labelSelector,
      fieldSelector: o.fieldSelector,
      limit: o.limit,
      continue: o.continue,
    });
    const path = `${pathOf(ref, { namespace: o.namespace })}${query}`;
    const body = await transport.json<ListBody<T>>({ method: "GET", path, ...call(o) });
    if (body.items !== null && body.items !== undefined && !Array.isArray(body.items))
      throw new KubeError({ status: 0, reason: "InvalidResponse", message: `GET ${path}: items is no list` });
    return {
      // Items of a typed list carry neither apiVersion nor kind.
      items: (body.items ?? []).map((i) =>
        i.kind === undefined ? { ...i, apiVersion: apiVersionOf(ref), kind: ref.kind } : i,
      ),
      resourceVersion: body.metadata?.resourceVersion ?? "",
      continue: body.metadata?.continue ?? "",
    };
  }

  async function pages<T extends KubeObject>(
    ref: KindRef,
    o: ListOptions & CallOptions,
  ): Promise<KubeList<T>> {
    const items: T[] = [];
    let page = await list<T>(ref, { ...o, limit: limits.listPageSize });
    items.push(...page.items);
    while (page.continue !== "") {
      page = await list<T>(ref, { ...o, limit: limits.listPageSize, continue: page.continue });
      items.push(...page.items);
    }
    return { items, resourceVersion: page.resourceVersion, continue: "" };
  }
  return { list, pages };
}

function preconditions({ uid, resourceVersion }: DeleteOptions): Record<string, unknown> {
  if (uid === undefined && resourceVersion === undefined) return {};
  return {
    preconditions: {
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
  };
}

/** A client of one API server; no connection is made before the first call. */
export function createKubeClient(config: KubeConfig, options: KubeClientOptions): KubeClient {
  const transport = createTransport(config, { clock: options.clock, warn: options.onWarning ?? (() => {}) });

  const { list, pages } = createLister(transport);
  const client: KubeClient = {
    config,
    get: (ref, name, namespace, o) =>
      transport.json({ method: "GET", path: pathOf(ref, { namespace, name }), ...call(o) }),
    list,
    async listAll(ref, o = {}) {
      try {
        return await pages(ref, o);
      } catch (error) {
        if (!isKubeError(error, 410)) throw error;
        return list(ref, o);
      }
    },
    create: (ref, object, o = {}) =>
      transport.json({
        method: "POST",
        path: `${pathOf(ref, { namespace: object.metadata.namespace })}${writeQuery(o)}`,
        body: object,
        ...call(o),
      }),
    update: (ref, object, o = {}) => {
      const { namespace, name } = object.metadata;
      const path = `${pathOf(ref, { namespace, name, subresource: o.subresource })}${writeQuery(o)}`;
      return transport.json({ method: "PUT", path, body: object, ...call(o) });
    },
    patch: (ref, target, patch, o = {}) =>
      transport.json({
        method: "PATCH",
        path: `${pathOf(ref, { ...target, subresource: o.subresource })}${writeQuery(o)}`,
        body: patch,
        contentType: patchTypes[o.type ?? "merge"],
        ...call(o),
      }),
    async delete(ref, target, o = {}) {
      const body = {
        kind: "DeleteOptions",
        apiVersion: "v1",
        ...(o.propagationPolicy === undefined ? {} : { propagationPolicy: o.propagationPolicy }),
        ...preconditions(o),
        ...(o.dryRun === true ? { dryRun: ["All"] } : {}),
      };
      await transport.json({ method: "DELETE", path: pathOf(ref, target), body, ...call(o) });
    },
    apply: (ref, object, o = {}) => applyObject(client, ref, object, o),
    watch: (ref, o) => runWatch(transport, options.clock, ref, o),
    tokenRequest: (namespace, account, o) => tokenRequest(transport, namespace, account, o),
    tokenReview: (token, audiences) => tokenReview(transport, token, audiences),
    download: (path) => transport.stream({ method: "GET", path }),
    raw: (path, o = {}) => transport.json({ method: o.method ?? "GET", path, body: o.body, ...call(o) }),
  };
  return client;
}
