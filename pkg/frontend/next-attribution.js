"use client";
/**
 * The same, and each beacon says what was to blame. Together with `useVitals` there is still one
 * copy of the client in a build.
 * @module
 */
import { vitals } from "./vitals.js";

export const Vitals = vitals(() => import("#attribution"));
