/**
 * The largest value of each metric that is good, and the largest that is not poor. Generated from
 * `crates/wire/src/metric.rs`; to write it anew, run `UPDATE_GENERATED=1 cargo test -p wire --test metric_table`.
 * @module
 */
export const FCPThresholds = [1800, 3000];
export const LCPThresholds = [2500, 4000];
export const CLSThresholds = [0.1, 0.25];
export const INPThresholds = [200, 500];
export const FIDThresholds = [100, 300];
export const TTFBThresholds = [800, 1800];
