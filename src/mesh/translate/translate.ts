/** The ordered processors, each pure over the snapshot. */
import { checkMesh, type Mesh, type Service, scopesOf } from "../model/index.ts";
import { processDestinationRules } from "./destination-rule.ts";
import type { Draft } from "./draft.ts";
import { defaultConfig, processMeshConfig } from "./mesh-config.ts";
import type { TranslateOptions } from "./options.ts";
import { processPeerAuthentications } from "./peer-authentication.ts";
import { processRateLimits } from "./rate-limit.ts";
import { processServiceEntries } from "./service-entries.ts";
import { processServiceProfiles } from "./service-profile.ts";
import { processServices } from "./services.ts";
import { processSidecars } from "./sidecars.ts";
import type { KubeSnapshot } from "./snapshot.ts";
import type { ObjectStatus } from "./status.ts";
import { processVirtualServices } from "./virtual-service.ts";

export interface Translation {
  readonly mesh: Mesh;
  /** One for each object that was judged, by kind, namespace and name. */
  readonly statuses: readonly ObjectStatus[];
}

/** Later ones rest on earlier ones. */
const processors: readonly ((draft: Draft) => void)[] = [
  processMeshConfig,
  processPeerAuthentications,
  processServices,
  processServiceEntries,
  processDestinationRules,
  processVirtualServices,
  processServiceProfiles,
  processSidecars,
  processRateLimits,
];

function newDraft(snapshot: KubeSnapshot, options: TranslateOptions): Draft {
  return {
    snapshot,
    defaultMtls: options.defaultMtls ?? "permissive",
    config: defaultConfig(options),
    workloads: new Map(),
    services: new Map(),
    peerPolicies: [],
    policies: [],
    policyScopes: scopesOf([]),
    routes: [],
    profiles: [],
    delegated: new Set(),
    scopes: [],
    rateLimits: [],
    workloadPorts: new Map(),
    exportTo: { service: [], virtualService: [], destinationRule: [] },
    reports: new Map(),
  };
}

/** The draft with all processors run: for analysis, which asks who is to blame. */
export function translateDraft(snapshot: KubeSnapshot, options: TranslateOptions): Draft {
  const draft = newDraft(snapshot, options);
  for (const process of processors) process(draft);
  return draft;
}

/** Never throws on a user's mistake. The order of objects does not matter. */
export function translate(snapshot: KubeSnapshot, options: TranslateOptions = {}): Translation {
  const draft = translateDraft(snapshot, options);
  const statuses = [...draft.reports.values()].map((r) => r.status());
  const key = ({ ref }: ObjectStatus): string => `${ref.kind}/${ref.namespace}/${ref.name}`;
  return {
    mesh: checkMesh(finish(draft)),
    statuses: statuses.sort((a, b) => (key(a) < key(b) ? -1 : 1)),
  };
}

function finish(draft: Draft): Mesh {
  const byHost = (a: Service, b: Service): number => (a.host < b.host ? -1 : 1);
  return {
    config: draft.config,
    services: [...draft.services.values()].sort(byHost),
    workloads: [...draft.workloads.values()].sort((a, b) => (a.key < b.key ? -1 : 1)),
    routes: draft.routes,
    profiles: draft.profiles,
    policies: draft.policies,
    scopes: draft.scopes,
    rateLimits: draft.rateLimits,
  };
}

/**
 * The short way for endpoints: services and workloads of `snapshot`, everything else of `mesh`. Right while only
 * EndpointSlices, Pods and WorkloadEntries changed; what statuses say of subsets waits for the next translation.
 */
export function refreshEndpoints(mesh: Mesh, snapshot: KubeSnapshot, options: TranslateOptions = {}): Mesh {
  const draft = newDraft(snapshot, options);
  processMeshConfig(draft);
  draft.config = mesh.config;
  processPeerAuthentications(draft);
  processServices(draft);
  processServiceEntries(draft);
  const { services, workloads } = finish(draft);
  return checkMesh({ ...mesh, services, workloads });
}
