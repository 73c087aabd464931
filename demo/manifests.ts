/** The user's four manifests, byte for byte; they travel inside the executable. */
import destinationRule from "./manifests/destination-rule.yaml" with { type: "text" };
import peerAuthentication from "./manifests/peer-authentication.yaml" with { type: "text" };
import serviceProfile from "./manifests/service-profile.yaml" with { type: "text" };
import virtualService from "./manifests/virtual-service.yaml" with { type: "text" };

export const manifests: Readonly<Record<string, string>> = {
  "virtual-service": virtualService as string,
  "destination-rule": destinationRule as string,
  "peer-authentication": peerAuthentication as string,
  "service-profile": serviceProfile as string,
};
