// Generated from the Rust types by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.

/** The kind of an outcome, without the value. */
export type AssertionOutcomeKind = "kept" | "broken" | "not-measured" | "not-asserted";

/** An expected assertion with its outcome. */
export interface CheckedAssertion {
  /** The page. */
  url: string;
  /** The key in Lighthouse CI. */
  audit: string;
  /** In the audit's own unit; sizes are in bytes. */
  max: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The metric that it replaces. */
  proxyOf: string | null;
  /** The line of budgets.json. */
  line: number;
  /** Its outcome. */
  outcome: AssertionOutcomeKind;
  /** The median of the runs, if there was a value. */
  actual: number | null;
}

/** A device class. */
export type Device = "phone" | "tablet" | "desktop";

/** The report of a gate. */
export interface GateReport {
  /** The version of this document. */
  v: 1;
  /** `pass`, `violated` or `insufficient`, over field, comparison and lab. */
  answer: "pass" | "violated" | "insufficient";
  /** The exit code. */
  code: number;
  /** The site; null without field data. */
  site: string | null;
  /** The judged release; null for all. */
  release: string | null;
  /** The release of the comparison. */
  against: string | null;
  /** The other filters by their parameters: the views that are judged. */
  filters: Record<string, string>;
  /** Navigations within documents, which are not judged. */
  navigations: NavigationSummary[];
  /** The start of the window, in milliseconds since 1970. */
  from: number;
  /** The end of the window, exclusive. */
  to: number;
  /** Number of views. */
  views: number;
  /** The readiness of a waiting gate. */
  waiting: ReadinessReport;
  /** One row for each budgeted cell: violated ones first, then in the order of the edge. */
  rows: GateRow[];
  /** The comparison with the release `against`. */
  regressions: RegressionRow[];
  /** Lab results. */
  lab: LabGateRow[];
  /** The error of a newer budgets.json that the edge rejected. */
  refused: string | null;
  /** The shards of the edge that answered; null if all did. Without all of them no budget is proven met, and the gate does not pass. */
  shards: ShardCoverage | null;
}

/** One budget of one route and device class. */
export interface GateRow {
  /** The path pattern of the budget. */
  pattern: string;
  /** The route template; null for all routes of the pattern. */
  route: string | null;
  /** The device class; null for all. */
  device: string | null;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The limit, in the unit of the metric. */
  max: number;
  /** The percentage of visits that must be within budget. */
  percentile: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The line of budgets.json. */
  line: number;
  /** Views judged by this limit. */
  n: number;
  /** Views within the limit. */
  within: number;
  /** The value at the budget's percentile. */
  value: number | null;
  /** The 95 % confidence interval of the value. */
  interval: [number, number] | null;
  /** The verdict, corrected for the number of cells. */
  verdict: "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  /** True if another row judges this budget over all its routes. */
  part: boolean;
  /** The limit in force at the edge, if it differs. */
  countedAgainst: number | null;
  /** The time from which the edge counts against this limit, if later than the start of the window. */
  countingSince: number | null;
  /** The reason why a violation is not proven, if it rests on few networks. */
  unproven: string | null;
  /** The worst lab result of the same metric. */
  lab: LabComparison | null;
}

/** The lab result next to a field row. */
export interface LabComparison {
  /** The audit, possibly a proxy. */
  audit: string;
  /** The median of the runs. */
  actual: number | null;
  /** The bound. */
  max: number;
  /** `kept`, `broken`, `not-measured` or `not-asserted`. */
  outcome: "kept" | "broken" | "not-measured" | "not-asserted";
}

/** A row for the gate: an assertion with its device. */
export interface LabGateRow {
  /** The emulated device. */
  device: Device;
  /** The page. */
  url: string;
  /** The key in Lighthouse CI. */
  audit: string;
  /** In the audit's own unit; sizes are in bytes. */
  max: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The metric that it replaces. */
  proxyOf: string | null;
  /** The line of budgets.json. */
  line: number;
  /** Its outcome. */
  outcome: AssertionOutcomeKind;
  /** The median of the runs, if there was a value. */
  actual: number | null;
}

/** The outcomes of all expected assertions of a run. Stored next to its results, where the gate reads it. */
export interface LhciVerification {
  /** The version of this document. */
  v: 1;
  /** The emulated device. */
  device: Device;
  /** The outcome of each assertion of each page. */
  outcomes: CheckedAssertion[];
  /** Assertions that were added by hand and never made. */
  unmade: MissingAssertion[];
}

/** An assertion that was added to the configuration by hand, and that Lighthouse CI never made. */
export interface MissingAssertion {
  /** The URL pattern of the row. */
  pattern: string;
  /** The audit. */
  audit: string;
  /** The cause. */
  why: string;
}

/** The navigation type of a view. */
export type Navigation = "navigate" | "reload" | "back-forward" | "back-forward-cache" | "prerender" | "restore" | "soft-navigation" | "view";

/** One metric of navigations of one type. */
export interface NavigationMetric {
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for layout shifts. */
  unit: "ms" | "";
  /** Views that measured it. */
  n: number;
  /** The 75th percentile over visits, within 1.6 %. */
  p75: number | null;
}

/** Navigations of one type: soft navigations, or declared views. */
export interface NavigationSummary {
  /** The type. */
  navigation: Navigation;
  /** Views, each counted once. */
  views: number;
  /** The metrics that they measured. */
  metrics: NavigationMetric[];
}

/** The readiness of a waiting gate. */
export interface ReadinessReport {
  /** Cells with enough visits. */
  ready: number;
  /** Cells that the gate waits for. */
  of: number;
  /** True if waiting is pointless. */
  certain: boolean;
}

/** The difference between two releases for one metric. */
export interface RegressionRow {
  /** The route template; null for the whole site. */
  route: string | null;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The increase of views over budget, in percentage points. */
  pointsWorse: number;
  /** The p-value of the difference. */
  pValue: number;
  /** True for a significant and relevant increase, corrected for the number of comparisons. */
  regression: boolean;
  /** The highest severity of its budgets: `error` or `warn`. */
  severity: "error" | "warn";
  /** The line of that budget. */
  line: number;
}

/** Shards that answered a read of which others did not: the counts of the others are missing, and no verdict is `met`. */
export interface ShardCoverage {
  /** Shards whose counts are included. */
  answered: number;
  /** The shards of the site. */
  of: number;
  /** The numbers of the shards that did not answer in time. */
  unanswered: number[];
}
