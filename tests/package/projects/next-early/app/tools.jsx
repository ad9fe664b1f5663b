"use client";
import { useRouter } from "next/navigation";
import { useState } from "react";

export function Tools() {
  const router = useRouter();
  const [query, setQuery] = useState(1);
  const change = () => {
    history.pushState({}, "", `?q=${query + 1}`);
    setQuery(query + 1);
  };
  return (
    <p>
      <button id="work" onClick={() => { for (const end = performance.now() + 60; performance.now() < end; ); }}>Work</button>{" "}
      <button id="query" onClick={change}>Query</button> <button id="back" onClick={() => router.back()}>Back</button>{" "}
      <output>The query has changed {query} times, which is a text of some length.</output>
    </p>
  );
}
