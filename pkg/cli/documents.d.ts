// Documents of the toolkit (crates/toolkit).

export interface GateReport {
  v: 1;
  answer: "pass" | "violated" | "insufficient";
  code: 0 | 1 | 2;
  site: string | null;
  release: string | null;
  against: string | null;
  from: number;
  to: number;
  views: number;
  waiting: { ready: number; of: number; certain: boolean };
  rows: GateRow[];
  regressions: Regression[];
  lab: LabRow[];
  refused: string | null;
}

export interface GateRow {
  pattern: string;
  route: string | null;
  device: string | null;
  metric: string;
  max: number;
  percentile: number;
  severity: "error" | "warn";
  line: number;
  n: number;
  within: number;
  value: number | null;
  interval: [number, number] | null;
  verdict: "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  part: boolean;
  countedAgainst: number | null;
  countingSince: number | null;
  lab: { audit: string; actual: number | null; max: number; outcome: Outcome } | null;
}

export interface Regression {
  route: string | null;
  metric: string;
  pointsWorse: number;
  pValue: number;
  regression: boolean;
  severity: "error" | "warn";
  line: number;
}

export type Outcome = "kept" | "broken" | "not-measured" | "not-asserted";

export interface LabOutcome {
  url: string;
  audit: string;
  max: number;
  severity: "error" | "warn";
  proxyOf: string | null;
  line: number;
  outcome: Outcome;
  actual: number | null;
}

export type LabRow = LabOutcome & { device: string };

export interface LabVerification {
  v: 1;
  device: string;
  outcomes: LabOutcome[];
  unmade: { pattern: string; audit: string; why: string }[];
}
