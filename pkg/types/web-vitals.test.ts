// Callbacks and options written for web-vitals are taken as they are: this file only has to compile.
import type * as theirs from "web-vitals";
import type * as theirReasons from "web-vitals/attribution";
import * as plain from "./index.js";
import * as attributed from "./attribution.js";

declare const options: theirs.ReportOpts;
declare function callback<Metric>(metric: Metric): void;

plain.onCLS(callback<theirs.CLSMetric>, options);
plain.onFCP(callback<theirs.FCPMetric>, options);
plain.onINP(callback<theirs.INPMetric>, options);
plain.onLCP(callback<theirs.LCPMetric>, options);
plain.onTTFB(callback<theirs.TTFBMetric>, options);

declare const attributedOptions: theirReasons.INPAttributionReportOpts;

attributed.onCLS(callback<theirReasons.CLSMetricWithAttribution>, attributedOptions);
attributed.onFCP(callback<theirReasons.FCPMetricWithAttribution>, attributedOptions);
attributed.onINP(callback<theirReasons.INPMetricWithAttribution>, attributedOptions);
attributed.onLCP(callback<theirReasons.LCPMetricWithAttribution>, attributedOptions);
attributed.onTTFB(callback<theirReasons.TTFBMetricWithAttribution>, attributedOptions);
