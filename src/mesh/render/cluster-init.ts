import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ClusterSchema } from "../../proto/gen/envoy/config/cluster/v3/cluster_pb.js";

/** A cluster to be encoded. */
export type ClusterInit = MessageInitShape<typeof ClusterSchema> & { name: string };
