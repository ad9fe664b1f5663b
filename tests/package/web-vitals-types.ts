// Callbacks, options and types written for web-vitals are accepted unchanged. This file only has to compile;
// tests/package/api.test.mjs finds the names that it lacks.
import type * as theirs from "web-vitals";
import type * as theirAttribution from "web-vitals/attribution";
import * as plain from "../../pkg/types/index.js";
import * as attributed from "../../pkg/types/attribution.js";

declare const options: theirs.ReportOpts;
declare function callback<Metric>(metric: Metric): void;

plain.onCLS(callback<theirs.CLSMetric>, options);
plain.onFCP(callback<theirs.FCPMetric>, options);
plain.onINP(callback<theirs.INPMetric>, options);
plain.onLCP(callback<theirs.LCPMetric>, options);
plain.onTTFB(callback<theirs.TTFBMetric>, options);

declare const attributedOptions: theirAttribution.INPAttributionReportOpts;

attributed.onCLS(callback<theirAttribution.CLSMetricWithAttribution>, attributedOptions);
attributed.onFCP(callback<theirAttribution.FCPMetricWithAttribution>, attributedOptions);
attributed.onINP(callback<theirAttribution.INPMetricWithAttribution>, attributedOptions);
attributed.onLCP(callback<theirAttribution.LCPMetricWithAttribution>, attributedOptions);
attributed.onTTFB(callback<theirAttribution.TTFBMetricWithAttribution>, attributedOptions);

// Each report is of the type that web-vitals gives it.
declare function accept<Type>(value: Type): void;
accept<theirs.CLSMetric>({} as plain.CLSMetric);
accept<theirs.FCPMetric>({} as plain.FCPMetric);
accept<theirs.INPMetric>({} as plain.INPMetric);
accept<theirs.LCPMetric>({} as plain.LCPMetric);
accept<theirs.TTFBMetric>({} as plain.TTFBMetric);
accept<theirAttribution.CLSMetricWithAttribution>({} as attributed.CLSMetricWithAttribution);
accept<theirAttribution.CLSAttribution>({} as attributed.CLSAttribution);
accept<theirAttribution.FCPMetricWithAttribution>({} as attributed.FCPMetricWithAttribution);
accept<theirAttribution.FCPAttribution>({} as attributed.FCPAttribution);
accept<theirAttribution.INPMetricWithAttribution>({} as attributed.INPMetricWithAttribution);
accept<theirAttribution.INPAttribution>({} as attributed.INPAttribution);
accept<theirAttribution.LCPMetricWithAttribution>({} as attributed.LCPMetricWithAttribution);
accept<theirAttribution.LCPAttribution>({} as attributed.LCPAttribution);
accept<theirAttribution.TTFBMetricWithAttribution>({} as attributed.TTFBMetricWithAttribution);
accept<theirAttribution.TTFBAttribution>({} as attributed.TTFBAttribution);
accept<theirs.Metric>({} as unknown as plain.Metric);
accept<theirs.MetricType>({} as unknown as plain.MetricType);
accept<theirs.MetricRatingThresholds>({} as unknown as plain.MetricRatingThresholds);
accept<theirAttribution.MetricWithAttribution>({} as unknown as attributed.MetricWithAttribution);
accept<theirAttribution.LoadState>({} as unknown as attributed.LoadState);
accept<theirAttribution.INPLongestScriptSummary>({} as unknown as attributed.INPLongestScriptSummary);

// Each option is accepted, and so is a callback for any metric.
accept<plain.ReportOpts>({} as unknown as theirs.ReportOpts);
accept<plain.INPReportOpts>({} as unknown as theirs.INPReportOpts);
accept<plain.ReportCallback>({} as unknown as theirs.ReportCallback);
accept<attributed.AttributionReportOpts>({} as theirAttribution.AttributionReportOpts);
accept<attributed.LCPAttributionReportOpts>({} as theirAttribution.LCPAttributionReportOpts);
accept<attributed.INPAttributionReportOpts>({} as theirAttribution.INPAttributionReportOpts);

// A record over the names has five keys.
accept<Record<plain.Metric["name"], number>>({ CLS: 0, FCP: 0, INP: 0, LCP: 0, TTFB: 0 });
