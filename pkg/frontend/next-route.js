"use client";
/**
 * `<VitalsRoute>`, which tells the measurement of `edge-vitals/next/client` the template of the current route.
 * It contains no client.
 * @module
 */
import { vitals } from "./vitals.js";

export const VitalsRoute = vitals();
