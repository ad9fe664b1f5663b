/** What `lighthouserc` takes. */
export interface LabOptions {
  /** The path of your budgets.json; `${__dirname}/budgets.json` works from any directory. */
  budgets: string;
  /** The pages to visit, as Lighthouse will find them after redirects. */
  urls: readonly string[];
  /** What Lighthouse shall be. One at a time, each in a working directory of its own. */
  device?: "phone" | "desktop";
  /** How often each page is visited; the median counts. 5 unless you say otherwise. */
  runs?: number;
  /** More of Lighthouse CI's `collect`, such as `startServerCommand`. */
  collect?: Record<string, unknown> & { settings?: Record<string, unknown> };
  /** Assertions of your own, on every page, such as `{ "categories:accessibility": ["error", { minScore: 0.9 }] }`. */
  assertions?: Record<string, unknown>;
  /** Lighthouse CI's `upload`; into `.lighthouseci/reports` unless you say otherwise. */
  upload?: Record<string, unknown>;
}

/** A row of Lighthouse CI's `assertMatrix`. */
export interface AssertRow {
  /** A regular expression for the page's address. */
  matchingUrlPattern: string;
  /** By audit: the level, and what is asserted. */
  assertions: Record<string, unknown>;
}

/** A configuration of Lighthouse CI, and what it was made from, for `edge-vitals verify-lhci`. */
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
