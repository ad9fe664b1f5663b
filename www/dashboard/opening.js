// What is there first is painted first, with the few rules that the page brings along: the style sheet and
// the dashboard itself, which the page has fetched meanwhile, begin when the reader sees something. A page
// that nobody sees yet paints nothing, and waits for nothing.

/** The dashboard, once it is dressed; or as it is, where its clothes do not come. */
function begin() {
  const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/dashboard/main.css" });
  for (const kind of ["load", "error"]) sheet.addEventListener(kind, () => import("/dashboard/main.js"));
  document.head.append(sheet);
}

if (document.hidden || !PerformanceObserver.supportedEntryTypes.includes("paint")) begin();
else {
  const painted = new PerformanceObserver(() => {
    painted.disconnect();
    begin();
  });
  painted.observe({ type: "paint", buffered: true });
}
