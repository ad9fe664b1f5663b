// Documents of the Worker's API, as the dashboard reads them.

/** Values are in the unit of their metric: milliseconds, or layout shift. */
export interface Stats {
  n: number;
  visits: number;
  p50: number | null;
  p75: number | null;
  p75_interval: [number, number] | null;
  p90: number | null;
  p95: number | null;
  p99: number | null;
  good: number;
  needs_improvement: number;
  poor: number;
}

export interface Bucket {
  low: number;
  high: number;
  visits: number;
}

export interface Line extends Stats {
  at?: number;
  group: Record<string, string | null>;
  metric: string;
  unit: string;
  buckets?: Bucket[];
}

export interface Totals {
  from: number;
  to: number;
  heard_at?: number;
  views: number;
  visits: number;
  sent: number;
  heard: number;
  lost: Record<string, number>;
}

export interface QueryResponse extends Totals {
  site: string;
  lines: Line[];
  next?: number;
}

export interface SummaryLine {
  route: string;
  device: string;
  metric: string;
  unit: string;
  n: number;
  p75: number | null;
  p75_interval: [number, number] | null;
  good: number;
  needs_improvement: number;
  poor: number;
  budget: { max: number; percentile: number; n: number; k: number; line: number } | null;
  verdict: string;
}

export interface Summary extends Totals {
  site: string;
  refused: Record<string, number>;
  cells: SummaryLine[];
}

/** The sequential test of a budget. */
export interface Watch {
  e_value: number;
  alarm: boolean;
  changed_at: number;
  since: number;
  n: number;
  k: number;
}

export interface BurnRates {
  half_hour: number | null;
  six_hours: number | null;
  three_days: number | null;
  asks: string | null;
}

/** `k` of `n` views were within the budget. */
export interface BudgetCell {
  pattern: string;
  route: string | null;
  device: string | null;
  metric: string;
  unit: string;
  max: number;
  percentile: number;
  severity: string;
  min_samples: number;
  line: number;
  n: number;
  k: number;
  verdict: string;
  p_value: number;
  value: number | null;
  interval: [number, number] | null;
  counting_since?: number;
  watch?: Watch;
  burn?: BurnRates;
}

export interface BudgetReport {
  site: string;
  from: number;
  to: number;
  heard_at?: number;
  views: number;
  budgets: { since: number; source: string; refused?: { at: number; source: string; why: string } };
  verdicts?: Record<string, number>;
  cells: BudgetCell[];
  scores: { route: string | null; device: string | null; views: number; score: number; parts?: ScorePart[] }[];
}

export interface ScorePart {
  metric: string;
  score: number;
  weight: number;
}

export interface MetricComparison {
  metric: string;
  unit: string;
  a: Stats;
  b: Stats;
  budget: { points_worse: number; p_value: number; regression: boolean } | null;
}

export interface Comparison {
  site: string;
  a: Totals;
  b: Totals;
  lines: MetricComparison[];
}

export interface LabPage {
  route: string;
  path: string;
  device: string;
  runs: number;
  at: number;
  release?: string;
  medians: Record<string, number>;
  score?: number | null;
}

export interface Cause {
  name: string;
  n: number;
}

export interface SlowViews {
  route: string;
  device: string;
  metric: string;
  n: number;
  parts: { part: string; ms: number }[];
  elements: Cause[];
  sources: Cause[];
}

export interface Query {
  name: string;
  n: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
  seconds: number;
  share: number | null;
  answers: number;
  repeated: number;
  most: number;
  routes: string[];
}

export interface Queries {
  page: string | null;
  found: "all" | "name" | "shape" | "nowhere";
  routes: string[];
  answers: number;
  asked: number;
  origin_seconds: number;
  queries: Query[];
  more: number;
  elsewhere: string[];
}

export interface RouteStats {
  site: string;
  route: string;
  requests: number;
  hits: number;
  stale: number;
  misses: number;
  bypassed: number;
  hit_ratio: number | null;
  bytes: number;
  origin_p50: number | null;
  saved_ms: number | null;
}

export interface ReasonCount {
  reason: string;
  requests: number;
}

export interface HistogramBucket {
  from: number;
  below: number;
  n: number;
}

export interface CacheCall {
  at: number;
  action: string;
  what: string;
  outcome: string;
}

export interface CacheAnalytics {
  from: number;
  to: number;
  routes: RouteStats[];
  tiers: { tier: string; requests: number; bytes: number }[];
  classes: { class: string; hits: number; stale: number; misses: number; hit_ratio: number | null }[];
  misses: ReasonCount[];
  bypassed: ReasonCount[];
  ages: HistogramBucket[];
  keys: { key: string; requests: number; over: number }[];
  purges: { count: number; marks: number; lag_ms: HistogramBucket[] };
  calls: CacheCall[];
}

export interface Explanation {
  url: string;
  route: string | null;
  origin: string | null;
  key: string;
  does: string;
  because: string[];
  stored: { status: number; age: number; lifetime: number; tags: string[]; bytes: number; tier: string } | null;
}

export interface RequestStats {
  n: number;
  errors: number;
  error_rate: number;
  per_second: number;
  p50: number | null;
  p95: number | null;
  p99: number | null;
}

export interface SiteRequestStats extends RequestStats {
  routes: (RequestStats & { route: string })[];
}

export interface PushBackend {
  name: string;
  circuit: string;
  open_until?: number;
  waiting: number;
  oldest?: number;
  trouble?: string;
  last?: { key: string; at: number };
  parked: { seq: number; key: string; status: number; at: number }[];
}

export interface HealthReport {
  status: string;
  health: string;
  score: number;
  site: string;
  at: number;
  releaseId: string;
  parts: { name: string; points: number; of: number; status: string }[];
  details?: {
    reasons: string[];
    because: Record<string, string>;
    heard_at: number | null;
    missed: number;
    requests?: SiteRequestStats;
  };
  operations?: {
    memory: { bytes: number; limit: number; percent: number };
    queues: Record<string, number>;
    push: PushBackend[];
    origin?: { is_up: boolean; status?: number; took: number; asked_at: number };
    alerts: { raised: number; critical: number };
  };
}

export interface Alert {
  key: string;
  signal: string;
  route?: string;
  device?: string;
  series?: string;
  level: string;
  since: number;
  read_at: number;
  says: string;
  action: string;
  acknowledged: { by: string; at: number } | null;
  muted: boolean;
}

export interface Silence {
  number: number;
  signal: string | null;
  route: string | null;
  from: number;
  until: number;
  by: string;
  reason: string;
}

export interface Alerts {
  raised: Alert[];
  mutes: Silence[];
  channels: { name: string; trouble: string | null }[];
}

export interface StatusRun {
  from: number;
  to: number;
  health: string;
  score: number;
}

export interface Incident {
  key: string;
  signal: string;
  route?: string;
  device?: string;
  series?: string;
  opened: number;
  level: string;
  says: string;
  told: Record<string, number>;
  acknowledged: { by: string; at: number } | null;
  ended: { at: number; lapsed: boolean } | null;
}

/** Durations are in milliseconds. */
export interface StatusHistory {
  from: number;
  to: number;
  statuses: StatusRun[];
  spent: Record<string, number>;
  unseen: number;
  incidents?: Incident[];
  more_incidents?: number;
}

export interface Impact {
  visits: number;
  over: number;
  limit: number;
  p75: number | null;
  interval: [number, number] | null;
  unit: string;
  seconds: number | null;
  share: number;
}

export interface Evidence {
  what: string;
  value: number;
  unit: string;
}

export interface Recommendation {
  rule: string;
  route: string;
  device: string;
  metric: string;
  place: Impact;
  finding: string;
  action: string;
  evidence: Evidence[];
  gain: number | null;
  reckoned: string;
}

export interface LiveDelta {
  views: number;
  bots: number;
  metrics: Record<string, [number, number, number]>;
}
