"use client";
/**
 * `<Vitals>` for Next.js, in the App Router and the Pages Router: every page load and every
 * navigation of the router is a view, named by the template of its route.
 * @module
 */
import { vitals } from "./vitals.js";

export const Vitals = vitals(() => import("#start"));
