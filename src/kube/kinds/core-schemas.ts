/** Schemas of the core kinds, with the keys by which a strategic merge patch merges their lists. */
import { array, boolean, integer, map, object, oneOf, type Schema, string } from "./schema.ts";

const time: Schema = { type: "string", format: "date-time" };
const bytes: Schema = { type: "string", format: "byte" };
const protocol = oneOf("TCP", "UDP", "SCTP");
const PORT_MAX = 65_535;

const reference = object({
  apiVersion: string(),
  kind: string(),
  namespace: string(),
  name: string(),
  uid: string(),
  resourceVersion: string(),
  fieldPath: string(),
});

export const conditionSchema = object({
  type: string(),
  status: string(),
  reason: string(),
  message: string(),
  observedGeneration: integer(),
  lastTransitionTime: time,
  lastProbeTime: { ...time, nullable: true },
});

const conditions: Schema = {
  type: "array",
  items: conditionSchema,
  mergeKey: "type",
  listType: "map",
  listKeys: ["type"],
};

export const namespaceSchema = object({
  spec: object({ finalizers: { ...array(string()), mergeSet: true } }),
  status: object({ phase: string(), conditions }),
});

const servicePort = object(
  {
    name: string("The name of this port within the service; required where there are several."),
    protocol,
    appProtocol: string("Hint for the protocol of the application: http, http2, grpc, tcp, tls."),
    port: { ...integer(), description: "The port that clients use: 1 to 65535." },
    targetPort: { intOrString: true, description: "Number or name of the port of the workload." },
    nodePort: integer(0, PORT_MAX),
  },
  ["port"],
);

export const serviceSchema = object({
  spec: object(
    {
      type: oneOf("ClusterIP", "ExternalName", "LoadBalancer", "NodePort"),
      clusterIP: string('Address of the service; allocated where empty, "None" for a headless service.'),
      clusterIPs: { ...array(string()), mergeSet: true },
      ports: { ...array(servicePort, "port"), listType: "map", listKeys: ["port", "protocol"] },
      selector: map(string()),
      externalName: string(),
      externalIPs: array(string()),
      sessionAffinity: oneOf("None", "ClientIP"),
      sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: integer() }) }),
      publishNotReadyAddresses: boolean(),
      internalTrafficPolicy: oneOf("Cluster", "Local"),
      externalTrafficPolicy: oneOf("Cluster", "Local"),
      healthCheckNodePort: integer(),
      loadBalancerIP: string(),
      loadBalancerClass: string(),
      loadBalancerSourceRanges: array(string()),
      allocateLoadBalancerNodePorts: boolean(),
      ipFamilies: array(oneOf("IPv4", "IPv6")),
      ipFamilyPolicy: oneOf("SingleStack", "PreferDualStack", "RequireDualStack"),
      trafficDistribution: string(),
    },
    [],
    "What the service is: a name and ports for the workloads that its selector chooses.",
  ),
  status: object({
    loadBalancer: { anything: true, type: "object" },
    conditions,
  }),
});

export const serviceAccountSchema = object({
  secrets: { ...array(reference, "name"), listType: "map", listKeys: ["name"] },
  imagePullSecrets: array(object({ name: string() }), "name"),
  automountServiceAccountToken: boolean(),
});

export const secretSchema = object({
  type: string(),
  data: map(bytes),
  stringData: map(string()),
  immutable: boolean(),
});

export const configMapSchema = object({ data: map(string()), binaryData: map(bytes), immutable: boolean() });

const microTime: Schema = { ...time, nullable: true };

/** Stored shape: core v1. */
export const eventSchema = object(
  {
    involvedObject: reference,
    related: reference,
    reason: string(),
    message: string(),
    type: string(),
    count: integer(),
    firstTimestamp: microTime,
    lastTimestamp: microTime,
    eventTime: microTime,
    action: string(),
    reportingComponent: string(),
    reportingInstance: string(),
    source: object({ component: string(), host: string() }),
    series: object({ count: integer(), lastObservedTime: time }),
  },
  ["involvedObject"],
);

/** The same in the words of events.k8s.io/v1. */
export const newEventSchema = object({
  regarding: reference,
  related: reference,
  reason: string(),
  note: string(),
  type: string(),
  action: string(),
  eventTime: microTime,
  reportingController: string(),
  reportingInstance: string(),
  series: object({ count: integer(), lastObservedTime: time }),
  deprecatedCount: integer(),
  deprecatedFirstTimestamp: microTime,
  deprecatedLastTimestamp: microTime,
  deprecatedSource: object({ component: string(), host: string() }),
});

export const leaseSchema = object({
  spec: object({
    holderIdentity: string(),
    leaseDurationSeconds: integer(),
    acquireTime: microTime,
    renewTime: microTime,
    leaseTransitions: integer(0),
    strategy: string(),
    preferredHolder: string(),
  }),
});

export const endpointSliceSchema = object(
  {
    addressType: oneOf("IPv4", "IPv6", "FQDN"),
    endpoints: {
      ...array(
        object(
          {
            addresses: array(string()),
            conditions: object({ ready: boolean(), serving: boolean(), terminating: boolean() }),
            hostname: string(),
            nodeName: string(),
            zone: string(),
            targetRef: reference,
            deprecatedTopology: map(string()),
            hints: { anything: true, type: "object" },
          },
          ["addresses"],
        ),
      ),
      nullable: true,
    },
    ports: {
      ...array(object({ name: string(), protocol, port: integer(0, PORT_MAX), appProtocol: string() })),
      nullable: true,
    },
  },
  ["addressType"],
);
