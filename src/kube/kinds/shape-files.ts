/** The texts of shapes/: what fields the kinds have that others define. Made by tools/shapes.ts. */
import admissionregistrationV1 from "./shapes/admissionregistration-v1.txt" with { type: "text" };
import apiextensionsV1 from "./shapes/apiextensions-v1.txt" with { type: "text" };
import appsV1 from "./shapes/apps-v1.txt" with { type: "text" };
import authenticationV1 from "./shapes/authentication-v1.txt" with { type: "text" };
import authorizationV1 from "./shapes/authorization-v1.txt" with { type: "text" };
import autoscalingV1 from "./shapes/autoscaling-v1.txt" with { type: "text" };
import autoscalingV2 from "./shapes/autoscaling-v2.txt" with { type: "text" };
import batchV1 from "./shapes/batch-v1.txt" with { type: "text" };
import certificatesV1 from "./shapes/certificates-v1.txt" with { type: "text" };
import coordinationV1 from "./shapes/coordination-v1.txt" with { type: "text" };
import coreV1 from "./shapes/core-v1.txt" with { type: "text" };
import discoveryV1 from "./shapes/discovery-v1.txt" with { type: "text" };
import eventsV1 from "./shapes/events-v1.txt" with { type: "text" };
import gateway from "./shapes/gateway.txt" with { type: "text" };
import jsonschema from "./shapes/jsonschema.txt" with { type: "text" };
import linkerd from "./shapes/linkerd.txt" with { type: "text" };
import metaV1 from "./shapes/meta-v1.txt" with { type: "text" };
import networkingV1 from "./shapes/networking-v1.txt" with { type: "text" };
import nodeV1 from "./shapes/node-v1.txt" with { type: "text" };
import policyV1 from "./shapes/policy-v1.txt" with { type: "text" };
import rbacV1 from "./shapes/rbac-v1.txt" with { type: "text" };
import schedulingV1 from "./shapes/scheduling-v1.txt" with { type: "text" };
import smi from "./shapes/smi.txt" with { type: "text" };
import storageV1 from "./shapes/storage-v1.txt" with { type: "text" };

export const shapeFiles: Readonly<Record<string, string>> = {
  "admissionregistration-v1": admissionregistrationV1,
  "apiextensions-v1": apiextensionsV1,
  "apps-v1": appsV1,
  "authentication-v1": authenticationV1,
  "authorization-v1": authorizationV1,
  "autoscaling-v1": autoscalingV1,
  "autoscaling-v2": autoscalingV2,
  "batch-v1": batchV1,
  "certificates-v1": certificatesV1,
  "coordination-v1": coordinationV1,
  "core-v1": coreV1,
  "discovery-v1": discoveryV1,
  "events-v1": eventsV1,
  gateway,
  jsonschema,
  linkerd,
  "meta-v1": metaV1,
  "networking-v1": networkingV1,
  "node-v1": nodeV1,
  "policy-v1": policyV1,
  "rbac-v1": rbacV1,
  "scheduling-v1": schedulingV1,
  smi,
  "storage-v1": storageV1,
};

/** Whether a file of shapes is there. */
export const hasShapes = (file: string): boolean => Object.hasOwn(shapeFiles, file);
