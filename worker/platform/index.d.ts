// The bundle of the Worker, beside which these modules lie in the package.
export { default, Shard, TagClock } from "../js/shim.js";
