import type { StartOptions } from "./attribution.js";
import type { VitalsProps as PlainVitalsProps } from "./next.js";

/** What `<Vitals>` with attribution needs to know. */
export interface VitalsProps extends PlainVitalsProps, Pick<StartOptions, "generateTarget"> {}

/** As `<Vitals>` of `edge-vitals/next`, with the reasons in each beacon. */
export function Vitals(props: VitalsProps): null;
