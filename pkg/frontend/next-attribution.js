"use client";
/**
 * `<Vitals>` for Next.js with attribution in each beacon. It shares one copy of the client with
 * `useVitals`.
 * @module
 */
import { vitals } from "./vitals.js";

export const Vitals = vitals(() => import("#attribution"));
