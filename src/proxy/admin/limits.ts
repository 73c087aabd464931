/** Bytes of a request to the admin pages; they carry nothing. */
export const maxAdminBodyBytes = 4096;
/** Scraping the application's own metrics page. */
export const appMetricsMs = 3_000;
export const maxAppMetricsBytes = 16_777_216;
