import { onFCP, start, view } from "edge-vitals";

start({ endpoint: "/v1/vitals", site: "portal", release: "r1", route: "/" });
onFCP((metric) => document.body.setAttribute("data-fcp", String(metric.value)));

document.querySelector("a").addEventListener("click", (event) => {
  event.preventDefault();
  history.pushState({}, "", "/product/42");
  document.querySelector("h1").textContent = "Product 42";
  view("/product/:id");
});
