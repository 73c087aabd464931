/** Who plays in the story: id, service, version. */
export const cast: readonly (readonly [string, string, string])[] = [
  ["details", "details", "v1"],
  ["ratings", "ratings", "v1"],
  ["reviews-v1-a", "reviews", "v1"],
  ["reviews-v1-b", "reviews", "v1"],
  ["reviews-v2", "reviews", "v2"],
  ["reviews-v3", "reviews", "v3"],
  ["web-api", "web-api", "v1"],
  ["productpage", "productpage", "v1"],
  ["visitor", "visitor", "v1"],
];
