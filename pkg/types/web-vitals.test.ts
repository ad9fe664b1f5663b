// Callbacks and options written for web-vitals are accepted unchanged. This file only has to compile.
import type * as theirs from "web-vitals";
import type * as theirAttribution from "web-vitals/attribution";
import * as plain from "./index.js";
import * as attributed from "./attribution.js";

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
