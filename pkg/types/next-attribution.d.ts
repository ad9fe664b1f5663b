import type { StartOptions } from "./attribution.js";
import type { VitalsProps as PlainVitalsProps } from "./next.js";

/** Props of `<Vitals>` with attribution. */
export interface VitalsProps extends PlainVitalsProps, Pick<StartOptions, "generateTarget"> {}

/** Like `<Vitals>` of `edge-vitals/next`, with attribution in each beacon. */
export function Vitals(props: VitalsProps): null;
