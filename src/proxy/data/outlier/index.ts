/** The agent's half of outlier detection, apart from the data thread's code so that the main thread loads little. */
export { returnEndpoint, sweepOutliers } from "../outlier.ts";
