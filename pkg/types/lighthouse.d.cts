/** Options of `lighthouserc`. */
export interface LabOptions {
  /** The path of your budgets.json; `${__dirname}/budgets.json` works from any directory. */
  budgets: string;
  /** The URLs of the pages to visit, after redirects. */
  urls: readonly string[];
  /** The device to emulate. Run one device at a time, each in a working directory of its own. */
  device?: "phone" | "desktop";
  /** The number of visits per page, of which the median counts. Default: 5. */
  runs?: number;
  /** Further settings of Lighthouse CI's `collect`, such as `startServerCommand`. */
  collect?: Record<string, unknown> & { settings?: Record<string, unknown> };
  /** Assertions of your own, on every page, such as `{ "categories:accessibility": ["error", { minScore: 0.9 }] }`. */
  assertions?: Record<string, unknown>;
  /** Lighthouse CI's `upload`. Default: into `.lighthouseci/reports`. */
  upload?: Record<string, unknown>;
}

/** A row of Lighthouse CI's `assertMatrix`. */
export interface AssertRow {
  /** A regular expression for the page's URL. */
  matchingUrlPattern: string;
  /** The level and the assertion of each audit. */
  assertions: Record<string, unknown>;
}

/** A configuration of Lighthouse CI, with its sources for `edge-vitals verify-lhci`. */
export interface Lighthouserc {
  ci: {
    collect: { url: string[]; numberOfRuns: number; settings: Record<string, unknown> } & Record<string, unknown>;
    assert: { includePassedAssertions: true; assertMatrix: AssertRow[] };
    upload: Record<string, unknown>;
  };
  edgeVitals: { budgets: string; urls: string[]; device: "phone" | "desktop" };
}

/** Computes the configuration of Lighthouse CI from your budgets.json. */
export function lighthouserc(options: LabOptions): Lighthouserc;
