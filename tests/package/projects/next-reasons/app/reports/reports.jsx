"use client";
import { useState } from "react";
import { useVitals } from "edge-vitals/react";

function told(metric) {
  (globalThis.reports ??= []).push({ name: metric.name, id: metric.id, delta: metric.delta, value: metric.value, attribution: metric.attribution });
}

export function Reports() {
  const [renders, setRenders] = useState(0);
  const [isLate, setLate] = useState(false);
  // A new function each time, as most people write it.
  useVitals((metric) => told(metric));
  return (
    <main>
      <h1>Reports</h1>
      <button type="button" data-render onClick={() => setRenders(renders + 1)}>
        Rendered {renders}
      </button>
      <button type="button" data-late onClick={() => setLate(true)}>
        Another
      </button>
      {isLate && <Late />}
    </main>
  );
}

function Late() {
  useVitals((metric) => (globalThis.late ??= []).push({ name: metric.name, delta: metric.delta, value: metric.value }));
  return <p>late</p>;
}
