// Generated from the Rust types by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.

/** The acknowledgement of an alert. */
export interface AcknowledgeRequest {
  /** The alert's key. */
  key: string;
  /** The name of the person who looks after it. */
  by: string;
}

/** The answer to an acknowledgement. */
export interface AcknowledgeResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** True where the alert was raised. */
  acknowledged: boolean;
}

/** The person who handles an alert. */
export interface Acknowledgement {
  /** The name. */
  by: string;
  /** The time of the acknowledgement. */
  at: UnixMillis;
}

/** A management call. */
export interface AdminCallRecord {
  /** The time. */
  at: UnixMillis;
  /** The call. */
  action: string;
  /** Its argument. */
  what: string;
  /** The result: a status, or the sums of the cron. */
  outcome: string;
}

/** A recommendation. */
export interface Advice {
  /** The rule. */
  rule: AdviceRule;
  /** The route. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The impact on visits. */
  place: Impact;
  /** The finding in a sentence. */
  finding: string;
  /** The recommended action. */
  action: string;
  /** The numbers behind the finding. */
  evidence: AdviceEvidence[];
  /** The most seconds that visitors would have been spared in the time span; `None` for layout shifts. */
  gain: number | null;
  /** The basis of the estimated gain. */
  reckoned: string;
}

/** A number behind a finding. */
export interface AdviceEvidence {
  /** The description of the number. */
  what: string;
  /** The number. */
  value: number;
  /** The unit. */
  unit: "%" | "s" | "ms" | "";
}

/** The rules that give advice. */
export type AdviceRule = "cache-misses" | "slow-query" | "slow-origin" | "late-resource" | "heavy-resource" | "late-render" | "busy-thread" | "slow-handler" | "slow-frame" | "shifting-element" | "back-forward-cache";

/** Numbers of raised alerts. */
export interface AlertCounts {
  /** All raised alerts. */
  raised: number;
  /** The critical alerts. */
  critical: number;
}

/** The urgency of an alert. */
export type AlertLevel = "warning" | "critical";

/** The alerts of a site. */
export interface AlertReport {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The time of this answer. */
  at: UnixMillis;
  /** The raised alerts. */
  raised: AlertView[];
  /** The silences. */
  mutes: NumberedSilence[];
  /** The notification channels. */
  channels: ChannelStatus[];
  /** Bad observations that were dropped because too many alerts were open. */
  overflow: number;
}

/** A raised alert in the form that the API returns. */
export interface AlertView {
  /** The key for acknowledging the alert. */
  key: string;
  /** The signal. */
  signal: Signal;
  /** The current level. */
  level: AlertLevel;
  /** The time of the first bad observation. */
  since: UnixMillis;
  /** The time of the latest observation. */
  read_at: UnixMillis;
  /** The latest observation as a sentence. */
  says: string;
  /** The recommended action. */
  action: string;
  /** The acknowledgement, if there is one. */
  acknowledged: Acknowledgement | null;
  /** `true` while a silence covers the alert. */
  muted: boolean;
  /** `true` for a consequence of an origin that is down: it is not announced by itself. */
  follows_from_origin: boolean;
  /** The device class; `None` for all devices. */
  device?: Device;
  /** The route; `None` for the whole site. */
  route?: string;
  /** The metric, query, backend, hourly series or origin, if the signal has several. */
  series?: string;
}

/** A page of the audit log. */
export interface AuditReport {
  /** The version of the document. */
  v: 1;
  /** The site; `*` for the cache of the deployment. */
  site: string;
  /** The newest first. */
  calls: NumberedEntry[];
  /** The `before` of the next page; absent on the last one. */
  next?: number;
}

/** A query that the origin reported in `Server-Timing`. */
export interface BackendQuery {
  /** The name of the query. */
  name: string;
  /** The number of runs. */
  n: number;
  /** The median duration, in milliseconds. */
  p50: number | null;
  /** The 95th percentile, in milliseconds. */
  p95: number | null;
  /** The 99th percentile, in milliseconds. */
  p99: number | null;
  /** The total duration of all runs, in seconds. */
  seconds: number;
  /** The percentage of the origin's time on these routes; more than 100 % is possible for concurrent queries. `None` if the origin's time is unknown. */
  share: number | null;
  /** The responses in which it ran. */
  answers: number;
  /** The responses in which it ran suspiciously often, as in an N+1 loop. */
  repeated: number;
  /** The maximum number of runs in one response. */
  most: number;
  /** The edge's routes on which it ran, those with most runs first. */
  routes: string[];
}

/** The push state of a backend. */
export interface BackendStatus {
  /** The name of the backend. */
  name: string;
  /** The circuit breaker: `closed`, `open` or `probing`. */
  circuit: "closed" | "open" | "probing";
  /** Documents waiting to be sent. */
  waiting: number;
  /** Documents that the backend rejected for good. */
  parked: DeadLetterSummary[];
  /** The last delivery. */
  last?: LastDelivery;
  /** The start of the oldest waiting window. */
  oldest?: UnixMillis;
  /** The end of the pause while the circuit is open. */
  open_until?: UnixMillis;
  /** The last error. */
  trouble?: string;
}

/** Received beacons and known losses. */
export interface BeaconCounts {
  /** Counted views. */
  views: number;
  /** Beacons sent by browsers. */
  sent: number;
  /** Beacons received. */
  heard: number;
  /** Views without measurements, by reason. */
  lost: Record<string, number>;
  /** Rejected beacons, by reason. */
  refused: Record<string, number>;
}

/** A metric of a page whose visits exceed the budget. */
export interface Bottleneck {
  /** The route. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** Seconds over budget of all visits together; `None` for layout shifts. */
  seconds: number | null;
  /** The percentage of all seconds over budget, not counting metrics that are part of another. */
  share: number;
  /** Measured visits. */
  visits: number;
  /** Visits over budget. */
  over: number;
  /** The metric of the same page that already includes these seconds. */
  part_of: string | null;
  /** The longest subpart, with its mean milliseconds in visits over budget. */
  longest: [SubpartKind, number] | null;
  /** The element or script reported most, with the number of visits. */
  culprit: [string, number] | null;
  /** The time over budget by cache status. */
  by_cache: LossByCache | null;
  /** The most expensive query. */
  query: string | null;
}

/** The places where visitors lose time. */
export interface BottleneckReport {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** The bottlenecks, the most expensive first. */
  bottlenecks: Bottleneck[];
  /** Slow endpoints and queries of the edge's routes, the most costly first. */
  endpoints: EndpointFinding[];
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** One budget with the counts of the views that it judges. */
export interface BudgetCell {
  /** The `path` of the budget; `/` where it names none. */
  pattern: string;
  /** The route template; null for all routes of the budget: a budget of the whole site, or one without views. */
  route: string | null;
  /** The device class; null for a budget that names none and has no views. */
  device: Device | null;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for layout shifts. */
  unit: "ms" | "";
  /** The limit. */
  max: number;
  /** The percentile of views that must be within it. */
  percentile: number;
  /** `error` or `warn`. */
  severity: "error" | "warn";
  /** The minimum number of views for a verdict. */
  min_samples: number;
  /** The line of budgets.json that sets it. */
  line: number;
  /** Views that were judged by this limit. */
  n: number;
  /** Those within it. */
  k: number;
  /** The verdict on these counts, without correction for other cells or earlier looks. */
  verdict: "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  /** The probability of counts at least as bad from a page that just meets the budget, without the networks that sent most. Correct it where many cells are judged together. */
  p_value: number;
  /** The value at the budget's percentile, over the visits of the whole span, within 1.6 %. */
  value: number | null;
  /** The 95 % confidence interval of that value. */
  interval: [number, number] | null;
  /** The burn rates over all releases up to now. */
  burn?: BurnRates;
  /** The time from which views were judged by this limit, if later than `from`. */
  counting_since?: UnixMillis;
  /** The networks that sent the views of the page, or of all pages of the budget; absent if none is known. */
  networks?: NetworkShare;
  /** The sequential test over all releases up to now. */
  watch?: SequentialTestReport;
}

/** The difference of the shares over budget. */
export interface BudgetDifference {
  /** The increase of the share of views over budget, in percentage points. */
  points_worse: number;
  /** The p-value of the difference. */
  p_value: number;
  /** True for a significant and relevant increase. */
  regression: boolean;
}

/** A Lighthouse score of the 75th percentiles of visits, with INP in place of Total Blocking Time and without Speed Index. */
export interface BudgetReportScore {
  /** The route template; null for the whole site. */
  route: string | null;
  /** The device class; null for all classes, weighted by views. */
  device: Device | null;
  /** Views behind the score. */
  views: number;
  /** The score, from 0 to 1. */
  score: number;
  /** The parts of the weighted mean, for scores of the site alone. */
  parts?: ScorePart[];
}

/** The budgets.json in force. */
export interface BudgetsInForce {
  /** The time from which views are judged by it. */
  since: UnixMillis;
  /** Its source: `asset` or `kv`. */
  source: "asset" | "kv";
  /** A newer budgets.json that was rejected, if there is one. */
  refused?: BudgetsRejection;
}

/** A rejected budgets.json. */
export interface BudgetsRejection {
  /** The time of its discovery. */
  at: UnixMillis;
  /** Its source: `asset` or `kv`. */
  source: "asset" | "kv";
  /** The error in it. */
  why: string;
}

/** The answer of `/api/budgets`: the report or, with the deprecated parameter `path`, limits. */
export type BudgetsResponse = Standing | PathLimits;

/** Burn rates: shares of views over budget as multiples of the allowed share; null without views. */
export interface BurnRates {
  /** Over the last 30 minutes. */
  half_hour: number | null;
  /** Over the last 6 hours. */
  six_hours: number | null;
  /** Over the last 3 days. */
  three_days: number | null;
  /** The urgency: `page` for now, `ticket` for the next working day, null for none. */
  asks: "ticket" | "page" | null;
}

/** Burn rates; absent without responses. */
export interface BurnRates2 {
  /** In the last complete hour. */
  hour: number | null;
  /** In the last six hours. */
  six_hours: number | null;
  /** In the last three days. */
  three_days: number | null;
}

/** The cache statistics of the last day. */
export interface CacheAnalytics {
  /** The version of this document. */
  v: 1;
  /** The start of the time span, within a window. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** Each route of each site, the most requested first. */
  routes: RouteCacheStats[];
  /** Hits by tier. */
  tiers: TierStats[];
  /** Responses by class of freshness lifetime. */
  classes: LifetimeClassStats[];
  /** Misses by reason. */
  misses: ReasonCount[];
  /** Bypasses by reason. */
  bypassed: ReasonCount[];
  /** Hits by their age in seconds. */
  ages: RangeCount[];
  /** The most requested keys. */
  keys: HotKey[];
  /** Purges. */
  purges: PurgeStats;
  /** The last management calls, the newest first. */
  calls: AdminCallRecord[];
  /** Sites whose responses are missing in part; absent if every shard answered. */
  shards?: Record<string, ShardCoverage>;
}

/** The cache decision for a request, with its reasons. */
export interface CacheExplanation {
  /** The address. */
  url: string;
  /** The fields of the request that is explained. */
  request: string[];
  /** The names of the fields that a current browser sends and that were added. */
  assumed: string[];
  /** The path pattern of its route; null without a route. */
  route: string | null;
  /** The address at the origin. */
  origin: string;
  /** The cache key; null where the cache is bypassed. */
  key: string | null;
  /** The next step. */
  does: "serve" | "serve-then-ask" | "fetch" | "pass" | "refuse";
  /** The reasons, in the order of the decision. */
  because: string[];
  /** The stored response, if there is one. */
  stored: StoredEntryReport | null;
  /** The request limit of the origin, if the route has one. */
  limit: OriginLimitReport | null;
}

/** A failed call. */
export interface CacheProblem {
  /** The cause and the remedy, in a sentence. */
  detail: string;
  /** The HTTP status. */
  status?: number;
}

/** Cache results in a time span. */
export interface CacheUsage {
  /** Requests served from the cache, stale ones included. */
  hits: number;
  /** Hits that were stale. */
  stale: number;
  /** Requests that missed the cache. */
  misses: number;
  /** Requests that bypassed the cache. */
  bypassed: number;
  /** Hits as a percentage of hits and misses; absent without either. */
  hit_ratio: number | null;
  /** Its 95 % confidence interval. */
  hit_ratio_interval: [number, number] | null;
  /** Misses, by reason. */
  reasons: Record<string, number>;
}

/** An element, a resource or a script in the attribution of views. */
export interface CauseCount {
  /** Its selector or address. */
  name: string;
  /** Views that name it. */
  n: number;
}

/** The causes of slow views, in whole days. */
export interface CausesResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the first day. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** A line for each page and metric with attributed slow views. */
  lines: SlowViewCauses[];
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** The state of a notification channel. */
export interface ChannelStatus {
  /** The channel's name. */
  name: string;
  /** Notifications that it has not accepted yet. */
  waiting: number;
  /** The last error in a sentence; null when there is none. */
  trouble: string | null;
}

/** One metric of both. */
export interface ComparisonLine {
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for layout shifts. */
  unit: "ms" | "";
  /** The earlier one. */
  a: MetricStats;
  /** The one compared with it. */
  b: MetricStats;
  /** The difference against the budgets, stratified by page and device; null without a budget or without a page that has views of both. */
  budget: BudgetDifference | null;
}

/** Two releases or time spans side by side. */
export interface ComparisonResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The earlier one. */
  a: QueryTotals;
  /** The one compared with it. */
  b: QueryTotals;
  /** A line for each metric of either. */
  lines: ComparisonLine[];
  /** Absent if every shard answered for both; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** A page that contributes to a difference. */
export interface Contributor {
  /** The route. */
  route: string;
  /** The device class. */
  device: Device;
  /** Visits over budget beyond those expected at the earlier rate. */
  too_many: number;
}

/** A rejected document. */
export interface DeadLetterSummary {
  /** The number for a retry. */
  seq: number;
  /** Its `Idempotency-Key`. */
  key: string;
  /** The status of the backend's response. */
  status: number;
  /** The time of the response. */
  at: UnixMillis;
}

/** A device class. */
export type Device = "phone" | "tablet" | "desktop";

/** One device class in both releases. */
export interface DeviceStratum {
  /** The device class. */
  device: Device;
  /** Views of the other release. */
  before: LimitCounts;
  /** Views of the release. */
  after: LimitCounts;
  /** Views of the release from the networks that sent most. */
  after_top?: number;
  /** Views of the other release from the networks that sent most. */
  before_top?: number;
}

/** Visits with values from `low` to `high`. */
export interface DistributionBucket {
  /** The smallest value. */
  low: number;
  /** The largest value. */
  high: number;
  /** The number of visits. */
  visits: number;
}

/** A finding about a route of the edge. */
export interface EndpointFinding {
  /** The kind. */
  kind: EndpointFindingKind;
  /** The route. */
  route: string;
  /** The finding in a sentence. */
  finding: string;
  /** The recommended action. */
  action: string;
  /** The responses or runs behind it. */
  n: number;
  /** The 95th percentile of their times, in milliseconds. */
  p95: number;
  /** The seconds beyond the target, or those of repeated runs, of all of them together. */
  seconds: number;
  /** The query; absent for the endpoint itself. */
  query?: string;
}

/** The kinds of findings. */
export type EndpointFindingKind = "slow-endpoint" | "slow-query" | "repeated-query";

/** The answer to an erasure. */
export interface EraseResponse {
  /** The site. */
  site: string;
  /** The Durable Objects that were emptied. */
  objects: number;
  /** True if its settings and tokens were removed; false if they are in wrangler.toml. */
  settings_removed: boolean;
  /** The places outside this deployment that have received data of the site, which this call does not reach. */
  copies: string[];
}

/** The reasons for the status, with their data. */
export interface HealthDetails {
  /** The sentences of all parts that are not healthy, worst first. */
  reasons: string[];
  /** The sentence of each part. */
  because: Record<string, string>;
  /** The time of the last beacon. */
  heard_at: UnixMillis | null;
  /** The number of views expected since then. */
  missed: number;
  /** The beacons of the last day and the known losses. */
  losses: BeaconCounts;
  /** The budgeted cells, worst first. */
  vitals: VitalReport[];
  /** The number of cells that were left out. */
  more_vitals: number;
  /** The origins behind the edge. */
  origins: OriginReport[];
  /** Cache results in the last hour; absent without a cache. */
  cache?: CacheUsage;
  /** The edge's responses in the last hour; absent if they are not counted. */
  requests?: RequestReport;
  /** The uptime over thirty days; absent if the coordinator did not answer. */
  uptime?: UptimeReport;
}

/** The status history of a site. */
export interface HealthHistory {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** The periods, oldest first. Gaps between them are not evaluated. */
  statuses: StatusPeriod[];
  /** Milliseconds by status. */
  spent: Record<string, number>;
  /** Milliseconds without an evaluation. */
  unseen: number;
  /** For token holders: the incidents of the time span as they were recorded, the newest first. */
  incidents?: IncidentRecord[];
  /** For token holders: the number of incidents that are left out. */
  more_incidents?: number;
}

/** A part of the score without its reason. */
export interface HealthPartSummary {
  /** The name of the part. */
  name: "vitals" | "requests" | "origin" | "cache" | "freshness";
  /** The earned points. */
  points: number;
  /** The maximum points. */
  of: number;
  /** The status of the part. */
  status: HealthStatus;
}

/** The health document, in the format of the RFC draft `application/health+json`. */
export interface HealthReport {
  /** The version of the document format. */
  v: 1;
  /** The draft's status: `pass`, `warn` or `fail`. */
  status: "pass" | "warn" | "fail";
  /** The status that tells unknown from degraded. */
  health: HealthStatus;
  /** The score, from 0 to 100. */
  score: number;
  /** The site. */
  site: string;
  /** The time of the evaluation. */
  at: UnixMillis;
  /** The version of the API. */
  version: "1";
  /** The version of the Worker. */
  releaseId: string;
  /** The parts of the score. */
  parts: HealthPartSummary[];
  /** The part for readers of the site. */
  details?: HealthDetails;
  /** The part for holders of a token. */
  operations?: Operations;
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** Health status, from best to worst. */
export type HealthStatus = "healthy" | "insufficient" | "unknown" | "degraded" | "unhealthy";

/** An often requested key. */
export interface HotKey {
  /** The cache key. */
  key: string;
  /** Its requests, an upper bound. */
  requests: number;
  /** The largest possible overcount. */
  over: number;
}

/** The impact of a bottleneck on visits, in display units. */
export interface Impact {
  /** Measured visits. */
  visits: number;
  /** Visits over budget. */
  over: number;
  /** The budget, or the good threshold without one. */
  limit: number;
  /** The 75th percentile. */
  p75: number | null;
  /** The 95 % confidence interval of the percentile. */
  interval: [number, number] | null;
  /** `ms`, or empty for CLS. */
  unit: "ms" | "";
  /** Seconds over budget of all visits together; `None` for layout shifts. */
  seconds: number | null;
  /** The percentage of the site's seconds over budget. */
  share: number;
}

/** The end of an incident. */
export interface IncidentEnd {
  /** The time of the end. */
  at: UnixMillis;
  /** `true` if it ended for lack of observations, not by a good one. */
  lapsed: boolean;
}

/** An incident with its key and subject: the stored and shown document. */
export interface IncidentRecord {
  v: 1;
  /** The alert's key. */
  key: string;
  /** The signal. */
  signal: Signal;
  /** The time of the first bad observation. */
  opened: UnixMillis;
  /** The worst level. */
  level: AlertLevel;
  /** The observation that reached this level. */
  says: string;
  /** The channels that announced it, with the time of the first announcement. */
  told: Record<string, UnixMillis>;
  /** The latest acknowledgement. */
  acknowledged: Acknowledgement | null;
  /** The end; `None` while it lasts. */
  ended: IncidentEnd | null;
  /** The device class; `None` for all devices. */
  device?: Device;
  /** The route; `None` for the whole site. */
  route?: string;
  /** The metric, query, backend, hourly series or origin, if the signal has several. */
  series?: string;
}

/** The document of `GET /api/lab`. */
export interface Lab {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The latest result of each page and device class. */
  pages: LabResult[];
}

/** The measurement of a page with a device class. */
export interface LabMeasurement {
  /** The page's path. */
  path: string;
  /** The emulated device class. */
  device: Device;
  /** The number of runs. */
  runs: number;
  /** The median of each audit: milliseconds, or a layout shift score. */
  medians: Record<string, number>;
  /** The median of the performance score, from 0 to 1. */
  score?: number | null;
}

/** The latest result of a page with a device class. */
export interface LabResult {
  /** The route template of its path, as in the field. */
  route: string;
  /** The time of the upload. */
  at: UnixMillis;
  /** The page's path. */
  path: string;
  /** The emulated device class. */
  device: Device;
  /** The number of runs. */
  runs: number;
  /** The median of each audit: milliseconds, or a layout shift score. */
  medians: Record<string, number>;
  /** The measured release. */
  release?: string;
  /** The median of the performance score, from 0 to 1. */
  score?: number;
}

/** The body of `POST /api/lab`. */
export interface LabUpload {
  /** The version of this document. */
  v: 1;
  /** A measurement for each page and device class. */
  pages: LabMeasurement[];
  /** The measured release. */
  release?: string | null;
}

/** The answer to an upload. */
export interface LabUploadResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The number of stored results. */
  pages: number;
}

/** A delivered document. */
export interface LastDelivery {
  /** Its `Idempotency-Key`. */
  key: string;
  /** The time of the receipt. */
  at: UnixMillis;
}

/** A class of freshness lifetimes. */
export interface LifetimeClassStats {
  /** `short`, `medium`, `long` or `very_long`. */
  class: "short" | "medium" | "long" | "very_long";
  /** Served fresh. */
  hits: number;
  /** Served stale. */
  stale: number;
  /** Fetched from the origin and stored. */
  misses: number;
  /** The share of fresh and stale hits; null without responses. */
  hit_ratio: number | null;
}

/** Views against one limit, from the moment at which it took effect. */
export interface LimitCounts {
  /** Views that the limit was applied to. */
  n: number;
  /** Views within the limit. */
  k: number;
}

/** A token without its hash. */
export interface ListedToken {
  /** The holder. */
  name: string;
  /** The rights. */
  rights: Right[];
  /** The first day on which it is not valid any more. */
  expires: string;
}

/** The views since the last message. */
export interface LiveDelta {
  /** The version of this document. */
  v: 1;
  /** Views of people, each counted at its first beacon. */
  views: number;
  /** Views of automated browsers, which are not in `views`. */
  bots: number;
  /** The ratings of the first values of people's views, by metric: good, needs improvement, poor. */
  metrics: Record<string, [number, number, number]>;
}

/** The time over budget of cache hits and misses. */
export interface LossByCache {
  /** Visits with a cache hit. */
  hits: number;
  /** Visits with a cache miss. */
  misses: number;
  /** Mean seconds over budget of a hit. */
  per_hit: number;
  /** Mean seconds over budget of a miss. */
  per_miss: number;
}

/** The memory of the WebAssembly module in the coordinator's isolate. The platform does not tell of the heap of JavaScript beside it, which the same limit includes. */
export interface MemoryUsage {
  /** Used bytes. */
  bytes: number;
  /** The limit of an isolate, in bytes. */
  limit: number;
  /** The used share, in percent. */
  percent: number;
}

/** The statistics of one metric. */
export interface MetricStats {
  /** Views that measured it. */
  n: number;
  /** The visits that they stand for, by their sample weights. */
  visits: number;
  /** The median over visits, within 1.6 % like every percentile here. */
  p50: number | null;
  /** The 75th percentile. */
  p75: number | null;
  /** The 95 % confidence interval of the 75th percentile. */
  p75_interval: [number, number] | null;
  /** The 90th percentile. */
  p90: number | null;
  /** The 95th percentile. */
  p95: number | null;
  /** The 99th percentile. */
  p99: number | null;
  /** The share of good visits. */
  good: number;
  /** The share of visits that need improvement. */
  needs_improvement: number;
  /** The share of poor visits. */
  poor: number;
}

/** The answer to starting or stopping the counting of a site's beacons. */
export interface MonitoringResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** `on` or `stopped`. */
  monitoring: "on" | "stopped";
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

/** The networks that sent the views of a count. A network is the /24 of an IPv4 address or the /48 of an IPv6 address; it counts again on each day. */
export interface NetworkShare {
  /** Their number, estimated; it ends near 600. */
  networks: number;
  /** The views of the four networks that sent most, at most. A violation must be proven without them. */
  top: number;
  /** The share of the network that sent most, at most, from 0 to 1. */
  largest: number;
  /** Present if a violation is not proven because it rests on few networks: a sentence that says so. */
  unproven?: string;
  /** The bounds of the value at the budget's percentile without these views, however slow they were; absent if they are all. */
  value_without_top?: [number, number];
}

/** An entry with its number, by which a page of the log continues. */
export interface NumberedEntry {
  /** The number, which grows with each call. */
  number: number;
  /** The version of the entry. */
  v: 1;
  /** The time of the call. */
  at: UnixMillis;
  /** The name of the token. */
  by: string;
  /** The path. */
  call: string;
  /** The beginning of the body. */
  detail: string;
  /** The client's network: an IPv4 address, or the /64 of an IPv6 address. */
  network: string;
  /** The HTTP status of the answer. */
  status: number;
}

/** A silence with its number. */
export interface NumberedSilence {
  /** The number that ends it. */
  number: number;
  /** The signal; `None` matches all. */
  signal: Signal | null;
  /** The route; `None` matches all. */
  route: string | null;
  /** The start, which may lie in the future. */
  from: UnixMillis;
  /** The end, exclusive. */
  until: UnixMillis;
  /** The person who added it. */
  by: string;
  /** The reason. */
  reason: string;
}

/** The state of the deployment. */
export interface Operations {
  /** `on`, or `stopped` while counting is switched off. */
  monitoring: "on" | "stopped";
  /** The memory use of the WebAssembly module. */
  memory: MemoryUsage;
  /** The queue depths. */
  queues: QueueDepths;
  /** The backends that windows are pushed to. */
  push: BackendStatus[];
  /** The raised alerts. */
  alerts: AlertCounts;
  /** The origin's last health check, if one is configured. */
  origin?: OriginCheck;
}

/** The origin's last health check. */
export interface OriginCheck {
  /** The host of the checked address, with its port. */
  name: string;
  /** The consecutive checks that failed, this one included. */
  failures: number;
  /** `true` if the origin is healthy. */
  is_up: boolean;
  /** Milliseconds until the response or the timeout. */
  took: number;
  /** The time of the check. */
  asked_at: UnixMillis;
  /** The origin's information about its database, unchanged. */
  database?: unknown;
  /** The HTTP status; absent without a response. */
  status?: number;
}

/** The request limit of an origin, in requests per second. */
export interface OriginLimitReport {
  /** The current rate. */
  rate: number;
  /** The lowest rate. */
  least: number;
  /** The highest rate. */
  most: number;
}

/** An origin in the health document. */
export interface OriginReport {
  /** The host of the origin, with its port. */
  name: string;
  /** `up`, `degraded`, `down`, `unclear` or `insufficient`. */
  state: string;
  /** The latest requests to it: at least 20, or those of fifteen minutes. */
  requests: number;
  /** Requests that ended without a response. */
  unreachable: number;
  /** Responses with a 5xx status. */
  server_errors: number;
  /** The result of its health check, if one is configured. */
  check?: boolean;
}

/** The limit of a metric. */
export interface PathLimit {
  /** The limit: milliseconds, or a layout shift score. */
  max: number;
  /** The percentile of views that must be within it. */
  percentile: number;
  /** The line of budgets.json that sets it. */
  line: number;
}

/** The limits of real visits to a path. */
export interface PathLimits {
  /** The version of this document. */
  v: 1;
  /** The path. */
  path: string;
  /** The device class. */
  device: Device;
  /** The limit of each budgeted metric. */
  limits: Record<string, PathLimit>;
}

/** The overview: health, bottlenecks and recommendations. */
export interface PerformanceDashboard {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** The health of the site now. */
  health: HealthStatus;
  /** The health score, from 0 to 100. */
  score: number;
  /** The parts of the score. */
  parts: HealthPartSummary[];
  /** The details of the health; null without read access to the site. */
  details: HealthDetails | null;
  /** The most expensive bottlenecks. */
  bottlenecks: Bottleneck[];
  /** The recommendations with the largest gains. */
  recommendations: Advice[];
  /** The number of raised alerts; null without a token. */
  alerts: AlertCounts | null;
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** The metrics, requests, cache and queries of a site. */
export interface PerformanceMetrics {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** Views, each counted once. */
  views: number;
  /** The statistics of each measured metric. */
  vitals: Record<string, MetricStats>;
  /** The responses of the edge; null where none were counted. */
  requests: RequestReport | null;
  /** The use of the cache; null where there is none. */
  cache: CacheUsage | null;
  /** The backend queries, the slowest first. */
  queries: BackendQuery[];
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** A problem document (RFC 9457 §3.1) with the invalid field as an extension member. */
export interface Problem {
  /** `urn:edge-vitals:` and the title. */
  type: string;
  /** The stable code of the problem. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** The cause and the remedy, in a sentence. */
  detail: string;
  /** The invalid field or parameter, if there is one. */
  field?: string;
}

/** The body of a purge: exactly one of `url`, `tag`, `tags`, `prefix` and `all`. */
export interface PurgeBody {
  /** Every response. */
  all?: boolean;
  /** All addresses below this one; it ends with a slash. */
  prefix?: string | null;
  /** Permission to serve the purged responses as stale ones while they are fetched again. */
  soft?: boolean;
  /** All responses with this tag. */
  tag?: string | null;
  /** All responses with any of these tags, at most 128. */
  tags?: string[];
  /** One address with all its variants. */
  url?: string | null;
}

/** The purges by tag since a purge count. Apply them in order, and ask again until `upto` is `seq`. */
export interface PurgeFeed {
  /** The sequence number of the latest purge. */
  seq: number;
  /** The sequence number up to which this answer is complete. */
  upto: number;
  /** Everything from before these sequence numbers is purged. */
  floor: PurgedAt;
  /** The latest purges of tags. */
  tags: PurgedTag[];
}

/** The answer to a purge. The answering isolate applies it at once, all others within the lease. */
export interface PurgeResponse {
  /** Always true. */
  purged: boolean;
  /** The sequence number of the purge; a later purge has a higher one. */
  seq: number;
}

/** The purges. */
export interface PurgeStats {
  /** All purges so far. */
  count: number;
  /** Stored purge marks. */
  marks: number;
  /** Purges for writes that were refused in the last day, because there were too many. Other isolates serve the responses until their lifetime ends. */
  refused: number;
  /** The delay until an isolate learned of a purge, in milliseconds, in the last day. */
  lag_ms: RangeCount[];
}

/** The sequence numbers of the latest purges. */
export interface PurgedAt {
  /** The latest purge; 0 if there was none. */
  hard: number;
  /** The latest purge that lets stale responses be served; 0 if there was none. */
  soft: number;
}

/** A tag with its latest purges. */
export interface PurgedTag {
  /** The tag. */
  tag: string;
  /** The latest purge; 0 if there was none. */
  hard: number;
  /** The latest purge that lets stale responses be served; 0 if there was none. */
  soft: number;
}

/** The delivery state of a site's push backends. */
export interface PushReport {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** Each backend. */
  backends: BackendStatus[];
}

/** A selection of dead letters to retry: all of them where no field is given. */
export interface PushRetryRequest {
  /** The number of one dead letter. */
  seq?: number | null;
  /** The name of one backend. */
  sink?: string | null;
}

/** The answer to a retry. */
export interface PushRetryResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The number of documents that are sent again. */
  again: number;
}

/** One metric of one group. */
export interface QueryLine {
  /** The value of each dimension; null for views without one. */
  group: Record<string, string | null>;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for layout shifts. */
  unit: "ms" | "";
  /** Views that measured it. */
  n: number;
  /** The visits that they stand for, by their sample weights. */
  visits: number;
  /** The median over visits, within 1.6 % like every percentile here. */
  p50: number | null;
  /** The 75th percentile. */
  p75: number | null;
  /** The 95 % confidence interval of the 75th percentile. */
  p75_interval: [number, number] | null;
  /** The 90th percentile. */
  p90: number | null;
  /** The 95th percentile. */
  p95: number | null;
  /** The 99th percentile. */
  p99: number | null;
  /** The share of good visits. */
  good: number;
  /** The share of visits that need improvement. */
  needs_improvement: number;
  /** The share of poor visits. */
  poor: number;
  /** The start of the group's time, in a series. */
  at?: UnixMillis;
  /** The distribution, where it was requested. */
  buckets?: DistributionBucket[];
}

/** The backend queries of a page or of the whole site. */
export interface QueryReport {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** The requested route; null for the whole site. */
  page: string | null;
  /** The match between the page and the edge's routes. */
  found: RouteMatch;
  /** The edge's routes of these queries, the busiest first; empty for the whole site. */
  routes: string[];
  /** The responses on these routes. */
  answers: number;
  /** The responses that came from the origin. */
  asked: number;
  /** The total time of the origin, in seconds. */
  origin_seconds: number;
  /** The queries, slowest first. */
  queries: BackendQuery[];
  /** The number of queries left out. */
  more: number;
  /** If the page has no queries, the edge's routes that have some, those with most runs first. */
  elsewhere: string[];
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** A page of lines. */
export interface QueryResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** Views, each counted once. */
  views: number;
  /** The visits that they stand for, by their sample weights. */
  visits: number;
  /** Beacons that the browsers sent. */
  sent: number;
  /** Beacons that arrived. */
  heard: number;
  /** Views without measurements, by reason. */
  lost: Record<string, number>;
  /** The lines. */
  lines: QueryLine[];
  /** The arrival of the last beacon; absent if there was none. */
  heard_at?: UnixMillis;
  /** The `offset` of the next page; absent on the last one. */
  next?: number;
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** A time span with its totals. */
export interface QueryTotals {
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** Views, each counted once. */
  views: number;
  /** The visits that they stand for, by their sample weights. */
  visits: number;
  /** Beacons that the browsers sent. */
  sent: number;
  /** Beacons that arrived. */
  heard: number;
  /** Views without measurements, by reason. */
  lost: Record<string, number>;
  /** The arrival of the last beacon; absent if there was none. */
  heard_at?: UnixMillis;
}

/** Queue depths. */
export interface QueueDepths {
  /** Views in the coordinator's journal that are not counted yet. */
  journal: number;
  /** Documents waiting to be sent. */
  push: number;
  /** Documents that a backend rejected for good. */
  parked: number;
  /** Notifications that a channel has not accepted yet. */
  notices: number;
}

/** The count of values in a range. */
export interface RangeCount {
  /** The lower bound. */
  from: number;
  /** The upper bound, exclusive. */
  below: number;
  /** The count. */
  n: number;
}

/** A reason, as in `Cache-Status`. */
export interface ReasonCount {
  /** Its name. */
  reason: string;
  /** Requests with this reason. */
  requests: number;
}

/** The recommendations for a site. */
export interface RecommendationReport {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** The recommendations, the largest gain first. */
  recommendations: Advice[];
  /** Slow endpoints and queries of the edge's routes with an action for each, the most costly first. */
  endpoints: EndpointFinding[];
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** The difference of a release from the other one in one metric. */
export interface Regression {
  /** The route template; null for the whole site. */
  route: string | null;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The increase of the share of views over budget, in percentage points. */
  points_worse: number;
  /** The two-sided p-value of the difference. */
  p_value: number;
  /** True for a significant and relevant increase. */
  regression: boolean;
  /** The compared device classes; absent for the whole site, where they are those of every route. */
  strata?: DeviceStratum[];
}

/** The effect of a release on one metric. */
export interface ReleaseDifference {
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** The outcome. */
  outcome: ReleaseOutcome;
  /** The increase of the share of visits over budget, in percentage points. */
  points_worse: number;
  /** The p-value of the difference, two-sided. */
  p_value: number;
  /** Visits before and after, on pages with visits in both releases. */
  visits: [number, number];
  /** The contributing pages, the largest contribution first. */
  pages: Contributor[];
  /** The outcome in a sentence. */
  says: string;
}

/** The effect of a release. */
export interface ReleaseEffect {
  /** The earlier release. */
  against: string;
  /** The difference in each metric. */
  differences: ReleaseDifference[];
}

/** The outcome of a comparison. */
export type ReleaseOutcome = "regression" | "improvement" | "same" | "insufficient";

/** A metric object of web-vitals or Next.js. Other fields, such as delta, rating, entries and attribution, are ignored. */
export interface Report {
  name: string;
  id: string;
  value: number;
  navigationType?: string | null;
  path?: string | null;
  route?: string | null;
  url?: string | null;
}

/** The load of the edge in a time span. */
export interface RequestReport {
  /** Responses. */
  n: number;
  /** Responses with a server error. */
  errors: number;
  /** The share of errors, in percent. */
  error_rate: number;
  /** Its 95 % confidence interval. */
  error_interval: [number, number];
  /** Responses per second. */
  per_second: number;
  /** The median response time, in milliseconds. */
  p50: number | null;
  /** The 95th percentile, in milliseconds. */
  p95: number | null;
  /** Its 95 % confidence interval; absent with too few responses. */
  p95_interval: [number, number] | null;
  /** The 99th percentile, in milliseconds. */
  p99: number | null;
  /** Each route, the busiest first. */
  routes: RouteRequestLoad[];
}

/** The answer to a page of a backup. */
export interface RestoreResponse {
  /** The rows that the page added; 0 if it had arrived before. */
  rows: number;
  /** True once the shard is whole. */
  complete: boolean;
}

/** A right that a token grants for a site. */
export type Right = "read" | "manage" | "cache" | "lab" | "ingest-report";

/** A route of a site. */
export interface RouteCacheStats {
  /** The site; `-` for requests of no site. */
  site: string;
  /** The route. */
  route: string;
  /** Responses. */
  requests: number;
  /** Responses served fresh from the cache. */
  hits: number;
  /** Responses served stale from the cache. */
  stale: number;
  /** Cacheable responses fetched from the origin. */
  misses: number;
  /** Responses that bypassed the cache. */
  bypassed: number;
  /** The share of fresh and stale hits among hits and misses; null without either. */
  hit_ratio: number | null;
  /** Bytes of the bodies of known length. */
  bytes: number;
  /** The median response time of the origin in milliseconds; null without an origin request. */
  origin_p50: number | null;
  /** Fresh and stale hits times that median; null without an origin request. */
  saved_ms: number | null;
}

/** The match between a page and the edge's routes. */
export type RouteMatch = "all" | "name" | "shape" | "nowhere";

/** The load of one route. */
export interface RouteRequestLoad {
  /** The route. */
  route: string;
  /** Responses. */
  n: number;
  /** Responses with a server error. */
  errors: number;
  /** The share of errors, in percent. */
  error_rate: number;
  /** Its 95 % confidence interval. */
  error_interval: [number, number];
  /** Responses per second. */
  per_second: number;
  /** The median response time, in milliseconds. */
  p50: number | null;
  /** The 95th percentile, in milliseconds. */
  p95: number | null;
  /** Its 95 % confidence interval; absent with too few responses. */
  p95_interval: [number, number] | null;
  /** The 99th percentile, in milliseconds. */
  p99: number | null;
}

/** One metric of a score. */
export interface ScorePart {
  /** The metric. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** Its own score, from 0 to 1. */
  score: number;
  /** Its weight in the score. */
  weight: number;
}

/** A sequential test, valid at every look. */
export interface SequentialTestReport {
  /** The e-value against the budget, at most 1e9. A page that meets its budget ever reaches 20 with a probability of at most 5 %. */
  e_value: number;
  /** True while the alarm is raised. It clears when a whole day's views prove the budget met. */
  alarm: boolean;
  /** The time of the last change of the alarm. */
  changed_at: UnixMillis;
  /** The first hour of the evidence. It restarts with a release, with another limit and after an alarm. */
  since: UnixMillis;
  /** Views in the evidence. */
  n: number;
  /** Those within the limit. */
  k: number;
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

/** A measured quantity with an alert rule. */
export type Signal = "verdict" | "evidence" | "burn-rate" | "response-time" | "hit-ratio" | "query-time" | "error-rate" | "memory" | "silence" | "push-backlog" | "anomaly" | "origin" | "uptime";

/** A request to silence alerts. Give either `until` or `minutes`. */
export interface SilenceRequest {
  /** The name of the person who asks. */
  by: string;
  /** The reason. */
  reason: string;
  /** The start; now where it is left out. */
  from?: UnixMillis | null;
  /** The length in minutes. */
  minutes?: number | null;
  /** The route; any route where it is left out. */
  route?: string | null;
  /** The signal; any signal where it is left out. */
  signal?: Signal | null;
  /** The end, exclusive; thirty days from now at most. */
  until?: UnixMillis | null;
}

/** The answer to a silence. */
export interface SilenceResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The number that ends the silence. */
  number: number;
}

/** A site with its settings. */
export interface SiteEntry {
  /** The name. */
  site: string;
  /** The place of its settings. */
  source: SiteSource;
  /** The moment of the latest call. */
  changed_at?: UnixMillis;
  /** The holder who made it. */
  changed_by?: string;
  /** The settings that a call has sent. */
  settings?: Record<string, unknown>;
}

/** The sites of a deployment. */
export interface SiteList {
  /** By name. */
  sites: SiteEntry[];
}

/** The answer to new settings. */
export interface SiteResponse {
  /** The site. */
  site: string;
  /** True for a new site. */
  created: boolean;
  /** The time after which every isolate has the settings. */
  effective_within_seconds: number;
}

/** The place of a site's settings. */
export type SiteSource = "deployment" | "call";

/** The slow views of a page by one metric: those over budget or, without a budget, those not rated good. */
export interface SlowViewCauses {
  /** The route template. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** Views with attribution. */
  n: number;
  /** The subparts of their times, in the order of time. */
  parts: SubpartDuration[];
  /** The elements by views; `(other)` for those beyond the limit. */
  elements: CauseCount[];
  /** The resources or scripts by views. */
  sources: CauseCount[];
}

/** The budget report of a site in a time span. */
export interface Standing {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** Views, each counted once. */
  views: number;
  /** The budgets.json in force. */
  budgets: BudgetsInForce;
  /** A cell for each budget of each route and device class, and of the whole site; those of the requested page of cells alone. */
  cells: BudgetCell[];
  /** The differences from the other release; empty without one. With a page of cells, those of the site and of the routes on it. */
  regressions: Regression[];
  /** Lighthouse scores of real visits. With a page of cells, those of the site and of the routes on it. */
  scores: BudgetReportScore[];
  /** The release to compare with, if one was requested. */
  against?: string;
  /** The other filters of the query by their parameters; watches and burn rates are of all visitors. */
  filters?: Record<string, string>;
  /** The arrival of the last beacon; absent if there was none. */
  heard_at?: UnixMillis;
  /** Navigations within documents, which are not among `views`, and which no budget judges. */
  navigations?: NavigationSummary[];
  /** The `offset` of the next page of cells, if there is one. */
  next?: number;
  /** The requested release; absent where all releases count. */
  release?: string;
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
  /** The number of cells of each verdict, on all pages. */
  verdicts?: Record<string, number>;
}

/** A period of consecutive evaluations with equal status. */
export interface StatusPeriod {
  /** The first evaluation. */
  from: UnixMillis;
  /** The last evaluation; in a [`StatusHistory`], the end of its validity. */
  to: UnixMillis;
  /** The status. */
  health: HealthStatus;
  /** The lowest score. */
  score: number;
}

/** A stored response. */
export interface StoredEntryReport {
  /** Its status. */
  status: number;
  /** Its age in seconds. */
  age: number;
  /** Its freshness lifetime in seconds. */
  lifetime: number;
  /** Its tags. */
  tags: string[];
  /** The sequence number of the last purge before it was stored. */
  stamp: number;
  /** The bytes of its body. */
  bytes: number;
  /** The tier that it was found in. */
  tier: string;
}

/** A subpart of a metric's time. */
export interface SubpartDuration {
  /** The subpart. */
  part: SubpartKind;
  /** The mean in milliseconds, over the views that report it. */
  ms: number;
}

/** A subpart of LCP or INP, as web-vitals' attribution defines them. */
export type SubpartKind = "time-to-first-byte" | "resource-load-delay" | "resource-load-duration" | "element-render-delay" | "input-delay" | "processing-duration" | "presentation-delay";

/** The metrics of a site in a time span. */
export interface Summary {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** Views, each counted once. */
  views: number;
  /** The visits that they stand for, by their sample weights. */
  visits: number;
  /** Beacons that the browsers sent. */
  sent: number;
  /** Beacons that arrived. */
  heard: number;
  /** Views without measurements, by reason. */
  lost: Record<string, number>;
  /** Rejected requests by reason, in the hours of the time span. */
  refused: Record<string, number>;
  /** A line for each route, device class and metric. */
  cells: SummaryCell[];
  /** The arrival of the last beacon; absent if there was none. */
  heard_at?: UnixMillis;
  /** Navigations within documents, which are not among `views` and `cells`, and which no budget judges. */
  navigations?: NavigationSummary[];
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** A budget with the counts against it. */
export interface SummaryBudget {
  /** The limit. */
  max: number;
  /** The percentile of views that must be within it. */
  percentile: number;
  /** Views that were judged by this limit. */
  n: number;
  /** Those within it. */
  k: number;
  /** The line of budgets.json that sets it. */
  line: number;
}

/** One metric of one route and device class. */
export interface SummaryCell {
  /** The route template. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty for layout shifts. */
  unit: "ms" | "";
  /** Views that measured it. */
  n: number;
  /** The 75th percentile over visits, within 1.6 %. */
  p75: number | null;
  /** The 95 % confidence interval of the 75th percentile. */
  p75_interval: [number, number] | null;
  /** The share of good visits. */
  good: number;
  /** The share of visits that need improvement. */
  needs_improvement: number;
  /** The share of poor visits. */
  poor: number;
  /** The budget; null where there is none. */
  budget: SummaryBudget | null;
  /** The verdict; `none` without a budget. */
  verdict: "none" | "unknown" | "insufficient" | "met" | "at-limit" | "violated";
}

/** The answer to a beacon with `Prefer: return=representation`. */
export interface Taken {
  /** By metric, true for a value within its budget. Metrics without a budget are left out. */
  within: Record<string, boolean>;
}

/** A tier: `memory`, `colo`, `kv`, or `stale-if-error` for stale responses in place of errors. */
export interface TierStats {
  /** Its name. */
  tier: string;
  /** Responses from it. */
  requests: number;
  /** Bytes of their bodies. */
  bytes: number;
}

/** The tokens of a site that calls have created. */
export interface TokenList {
  /** In the order of their creation. */
  tokens: ListedToken[];
}

/** The body of a call that creates a token. */
export interface TokenRequest {
  /** The holder, as the audit log names it. */
  name: string;
  /** The rights. */
  rights: Right[];
  /** The days for which it is valid, from 1 to 400; 90 if absent. */
  days?: number | null;
}

/** A new token, which is told only once. */
export interface TokenResponse {
  /** The token. */
  token: string;
  /** The first day on which it is not valid any more. */
  expires: string;
  /** The time after which every isolate knows it. */
  effective_within_seconds: number;
}

/** The answer to the revocation of tokens. */
export interface TokenRevocation {
  /** The tokens that were revoked. */
  revoked: number;
  /** The time after which no isolate knows them. */
  effective_within_seconds: number;
}

/** The trend of a series. */
export interface Trend {
  /** The direction. */
  course: TrendDirection;
  /** The change per week: the median of the slopes between any two days. */
  per_week: number;
  /** The p-value of the Mann–Kendall test. */
  p_value: number;
  /** The number of days with enough events. */
  days: number;
}

/** The direction of a trend. */
export type TrendDirection = "better" | "steady" | "worse" | "unknown";

/** The trends of a site's metrics. */
export interface TrendReport {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** The start of the time span. */
  from: UnixMillis;
  /** The end of the time span, exclusive. */
  to: UnixMillis;
  /** The trend of each measured metric. */
  trends: Record<string, Trend>;
  /** The effect of a release; null where no two releases were named. */
  release: ReleaseEffect | null;
  /** Absent if every shard answered; otherwise the shards whose counts are included. */
  shards?: ShardCoverage;
}

/** Milliseconds since the Unix epoch, by the edge's clock. */
export type UnixMillis = number;

/** A request to end a silence. */
export interface UnsilenceRequest {
  /** The number of the silence. */
  number: number;
}

/** The answer to the end of a silence. */
export interface UnsilenceResponse {
  /** The version of this document. */
  v: 1;
  /** The site. */
  site: string;
  /** True where there was such a silence. */
  was_silenced: boolean;
}

/** The uptime of a site over thirty days. */
export interface UptimeReport {
  /** The objective, in percent. */
  target: number;
  /** The share under which an alert is raised, in percent. */
  alert_below: number;
  /** All responses of complete hours. */
  responses: number;
  /** The responses with a server error. */
  errors: number;
  /** The share of responses without one, in percent; absent without responses. */
  percent: number | null;
  /** Its 95 % confidence interval. */
  interval: [number, number] | null;
  /** The share of the allowed errors that is left, in percent; negative once the objective is missed. */
  budget_left: number | null;
  /** The speed at which allowed errors are used up: at 1 they last for thirty days. */
  burn_rate: BurnRates2;
  /** The share of the evaluated time in which the site was not unhealthy, in percent; absent without an evaluation. */
  healthy_time: number | null;
}

/** The answer to a value that was sent. */
export interface ValueStored {
  /** False for a value that has expired. */
  stored: boolean;
}

/** A budgeted cell with its verdict. */
export interface VitalReport {
  /** The route, or the path pattern of a budget without views. */
  route: string;
  /** The device class. */
  device: Device;
  /** The metric's name. */
  metric: "FCP" | "LCP" | "CLS" | "INP" | "FID" | "TTFB";
  /** `ms`, or empty. */
  unit: "ms" | "";
  /** The limit. */
  max: number;
  /** The percentage of views that must be within the limit. */
  percentile: number;
  /** Views counted against the limit. */
  n: number;
  /** Views within the limit. */
  k: number;
  /** The name of the verdict. */
  verdict: "unknown" | "insufficient" | "met" | "at-limit" | "violated";
  /** The percentile of the visits. */
  value: number | null;
  /** The 95 % confidence interval of the percentile. */
  interval: [number, number] | null;
  /** The hour in which the latest view began. */
  seen_in: UnixMillis | null;
}

/** The answer to a warming: the number of addresses by outcome. */
export interface WarmResponse {
  /** Addresses that were fetched. */
  warmed: number;
  /** Addresses that were fresh already. */
  fresh: number;
  /** Addresses that could not be fetched. */
  failed: number;
  /** Addresses without a route. */
  foreign: number;
  /** Addresses that were left because of the limit. */
  left: number;
}
