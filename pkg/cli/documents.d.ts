// Generated from the Rust types by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.

/** What came of an assertion, by name. */
export type AssertionOutcomeKind = "kept" | "broken" | "not-measured" | "not-asserted";

/** What came of one assertion. */
export interface CheckedAssertion {
  /** The page. */
  url: string;
  /** The key in Lighthouse CI. */
  audit: string;
  /** In the audit's own unit; sizes are in bytes. */
  max: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The metric that it stands in for. */
  proxyOf: string | null;
  /** The line of budgets.json that says so. */
  line: number;
  /** What came of it. */
  outcome: AssertionOutcomeKind;
  /** The median of the runs, if there was one. */
  actual: number | null;
}

/** A class of devices. */
export type Device = "phone" | "tablet" | "desktop";

/** The judgement of a gate. */
export interface GateReport {
  /** The version of this document. */
  v: 1;
  /** `pass`, `violated` or `insufficient`: of the field, the comparison and the lab together. */
  answer: "pass" | "violated" | "insufficient";
  /** The exit code. */
  code: number;
  /** The site; null where the field was not asked. */
  site: string | null;
  /** The release that was judged; null for all. */
  release: string | null;
  /** The release that it was compared with. */
  against: string | null;
  /** The first moment that was counted, in milliseconds since 1970. */
  from: number;
  /** The moment before which all of it lies. */
  to: number;
  /** Views, each once. */
  views: number;
  /** Whether it is time to look. */
  waiting: ReadinessReport;
  /** One for each budgeted cell: violated ones first, then as the edge lists them. */
  rows: GateRow[];
  /** How the release compares. */
  regressions: RegressionRow[];
  /** What the lab found. */
  lab: LabGateRow[];
  /** Why a newer budgets.json does not rule at the edge. */
  refused: string | null;
}

/** One budget of one route on one class of device. */
export interface GateRow {
  /** The path of the budget. */
  pattern: string;
  /** The route template; null for all that the budget rules. */
  route: string | null;
  /** The class of device; null for all. */
  device: string | null;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The budget, in the unit that people use. */
  max: number;
  /** Of a hundred visits, so many must be within. */
  percentile: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The line of budgets.json that says so. */
  line: number;
  /** Views that were judged by this limit. */
  n: number;
  /** Those within it. */
  within: number;
  /** The value at the budget's percentile. */
  value: number | null;
  /** Between which the true one lies, 95 times in 100. */
  interval: [number, number] | null;
  /** What the counts prove, among all the cells. */
  verdict: "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  /** Whether another row judges this budget over all its routes. */
  part: boolean;
  /** The limit in force at the edge, where it is another one. */
  countedAgainst: number | null;
  /** Since when the edge counts against this limit, where that is later than the window. */
  countingSince: number | null;
  /** What the lab measured of the same, at worst. */
  lab: LabComparison | null;
}

/** What the lab measured beside a row of the field. */
export interface LabComparison {
  /** The audit, which may be a proxy. */
  audit: string;
  /** The median of the runs. */
  actual: number | null;
  /** The most that it may be. */
  max: number;
  /** `kept`, `broken`, `not-measured` or `not-asserted`. */
  outcome: "kept" | "broken" | "not-measured" | "not-asserted";
}

/** What came of one assertion in the lab. */
export interface LabGateRow {
  /** The class of device. */
  device: Device;
  /** The page. */
  url: string;
  /** The key in Lighthouse CI. */
  audit: string;
  /** In the audit's own unit; sizes are in bytes. */
  max: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The metric that it stands in for. */
  proxyOf: string | null;
  /** The line of budgets.json that says so. */
  line: number;
  /** What came of it. */
  outcome: AssertionOutcomeKind;
  /** The median of the runs, if there was one. */
  actual: number | null;
}

/** Whether a run asserted all that it was to assert, and what came of it. Left beside the results, where the gate finds it. */
export interface LhciVerification {
  /** The version of this document. */
  v: 1;
  /** The class of device that Lighthouse was. */
  device: Device;
  /** One for each page and assertion. */
  outcomes: CheckedAssertion[];
  /** Assertions of the configuration's own that were never made. */
  unmade: MissingAssertion[];
}

/** An assertion that somebody wrote into the configuration, and that Lighthouse CI never made. */
export interface MissingAssertion {
  /** Of the pages that match this. */
  pattern: string;
  /** What was asserted. */
  audit: string;
  /** Why it cannot have been. */
  why: string;
}

/** Whether it is time to look. */
export interface ReadinessReport {
  /** Cells that have enough visits for a look. */
  ready: number;
  /** Cells that are waited for. */
  of: number;
  /** Whether waiting is of no use. */
  certain: boolean;
}

/** How a release differs from the one before, for one metric. */
export interface RegressionRow {
  /** The route template; null for the whole site. */
  route: string | null;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** So many more of a hundred views are over budget. */
  pointsWorse: number;
  /** How likely as large a difference is by chance. */
  pValue: number;
  /** Whether it is certain among all, and enough to matter. */
  regression: boolean;
  /** `error` or `warn`: the severest of its budgets. */
  severity: "error" | "warn";
  /** The line of that budget. */
  line: number;
}
